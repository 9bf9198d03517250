"""A champion and a challenger whose log-loss differs by exactly what a scenario says.

A model knows the truth as it was when it was trained, errs in ways that all models share, and errs in a way of its own. Its own
errors are made larger until its log-loss is as much worse as it should be; all models predict as many clicks as there are.
Shape letters: P page views, K candidates.
"""

from dataclasses import dataclass

import numpy as np

from bench.rollout.simulation.noise import COMMON, OWN, SLOPE, ErrorParts
from bench.rollout.simulation.pool import PagePool
from contracts.lifecycle.live import Policy

ROUNDS = 24  # of bisection
LARGEST = 64.0  # by which a model's own errors are multiplied, at most
SAMPLE_PAGES = 200_000  # page views over which an expectation is taken, each drawn anew


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """`worse`: log-loss of the challenger beyond the champion's, relative; below 0 it is better."""

    name: str
    worse: float = 0.0
    column: str = ""  # only in rows with this value of a watched column; empty: everywhere
    code: int = -1
    is_broken: bool = False  # what the challenger answers in canary belongs to other rows; what it computes beside does not


@dataclass(frozen=True, kw_only=True)
class Model:
    scale: float = 1.0  # of its own errors where the scenario has them
    shift: float = 0.0  # in log-odds there: so that it predicts as many clicks as there are
    usual_shift: float = 0.0  # likewise elsewhere


@dataclass(frozen=True, kw_only=True)
class Rivals:
    champion: Model
    challenger: Model

    def log_odds(self, scenario: Scenario, pool: PagePool, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """float32 [P, K] of champion and challenger, errors drawn anew."""
        base_PK = np.float32(SLOPE) * (pool.log_odds_PK - pool.lag_PK) + COMMON.drawn(pool, rng)
        where_PK = touched(scenario, pool)
        own = (OWN.drawn(pool, rng), OWN.drawn(pool, rng))
        champion_PK, challenger_PK = (
            base_PK
            + error_PK * np.where(where_PK, np.float32(model.scale), np.float32(1))
            - np.where(where_PK, np.float32(model.shift), np.float32(model.usual_shift))
            for model, error_PK in zip((self.champion, self.challenger), own, strict=True)
        )
        return champion_PK, challenger_PK


def touched(scenario: Scenario, pool: PagePool) -> np.ndarray:
    if not scenario.column:
        return np.ones((1, 1), dtype=bool)
    return pool.slices[scenario.column] == scenario.code


def rivals_of(scenario: Scenario, pool: PagePool, policy: Policy) -> Rivals:
    """Found by bisection, with the same random numbers at every step."""
    sample = Sample.of(scenario, pool, policy)
    usual = Model(usual_shift=sample.shift(1.0, everywhere=True), shift=sample.shift(1.0))
    if scenario.worse == 0 or scenario.is_broken:
        return Rivals(champion=usual, challenger=usual)
    low, high = 1.0, LARGEST
    for _ in range(ROUNDS):
        middle = float(np.sqrt(low * high))
        rivals = _with(scenario, usual, Model(scale=middle, shift=sample.shift(middle), usual_shift=usual.usual_shift))
        is_too_much = abs(sample.worse(rivals)) > abs(scenario.worse)
        low, high = (low, middle) if is_too_much else (middle, high)
    return rivals


def _with(scenario: Scenario, usual: Model, poor: Model) -> Rivals:
    """The one that is the worse one is `poor`."""
    return Rivals(champion=usual, challenger=poor) if scenario.worse > 0 else Rivals(champion=poor, challenger=usual)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Page views with errors drawn for each of them alone, which have the same expectation as those that are shared."""

    policy: Policy
    true_PK: np.ndarray
    base_PK: np.ndarray
    own: tuple[np.ndarray, np.ndarray]  # champion's and challenger's errors [P, K], unscaled
    where_PK: np.ndarray  # broadcasts

    @classmethod
    def of(cls, scenario: Scenario, pool: PagePool, policy: Policy) -> "Sample":
        rng = np.random.default_rng([7, len(pool.day_P)])
        chosen = rng.choice(len(pool.day_P), SAMPLE_PAGES if policy != "all" else SAMPLE_PAGES // 4)
        true_PK = pool.log_odds_PK[chosen]
        where_PK = touched(scenario, pool)
        return cls(
            policy=policy,
            true_PK=true_PK,
            base_PK=np.float32(SLOPE) * (true_PK - pool.lag_PK[chosen]) + _alone(COMMON, true_PK.shape, rng),
            own=(_alone(OWN, true_PK.shape, rng), _alone(OWN, true_PK.shape, rng)),
            where_PK=where_PK[chosen] if scenario.column else np.ones_like(true_PK, dtype=bool),
        )

    def shift(self, scale: float, everywhere: bool = False) -> float:
        """Newton's method: the mean prediction in those rows becomes the mean probability."""
        here_PK = np.ones_like(self.where_PK) if everywhere else self.where_PK
        error = self.own[0][here_PK] * scale
        wanted, base, shift = float(sigmoid(self.true_PK[here_PK]).mean()), self.base_PK[here_PK] + error, 0.0
        for _ in range(6):
            p = sigmoid(base - np.float32(shift))
            shift += float((p.mean() - wanted) / (p * (1 - p)).mean())
        return shift

    def worse(self, rivals: Rivals) -> float:
        """Mean of both arms' excess over the mean of their champion's loss, over the rows that are touched."""
        logits = [
            self.base_PK
            + error_PK * np.where(self.where_PK, np.float32(model.scale), np.float32(1))
            - np.where(self.where_PK, np.float32(model.shift), np.float32(model.usual_shift))
            for model, error_PK in zip((rivals.champion, rivals.challenger), self.own, strict=True)
        ]
        p_PK = sigmoid(self.true_PK)
        champion_PK, challenger_PK = (np.logaddexp(0, x_PK) - p_PK * x_PK for x_PK in logits)
        excess = loss = 0.0
        for x_PK in logits if self.policy == "top1_of_k" else logits[:1]:
            here_PK = self.where_PK & chosen_by(x_PK) if self.policy == "top1_of_k" else self.where_PK
            excess += float((challenger_PK - champion_PK)[here_PK].mean(dtype=np.float64))
            loss += float(champion_PK[here_PK].mean(dtype=np.float64))
        return excess / loss


def chosen_by(log_odds_PK: np.ndarray) -> np.ndarray:
    """bool [P, K]: the candidate with the highest prediction."""
    found = np.zeros(log_odds_PK.shape, dtype=bool)
    found[np.arange(len(found)), log_odds_PK.argmax(axis=1)] = True
    return found


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def _alone(parts: ErrorParts, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    of_page_P = parts.user * rng.standard_normal((shape[0], 1), dtype=np.float32)
    return of_page_P + np.float32(parts.of_candidate) * rng.standard_normal(shape, dtype=np.float32)
