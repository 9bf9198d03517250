"""Do a rollout's intervals hold the truth at all looks together: equal, biased and skewed challengers, users and creatives
that go together; beside `ville`'s asymptotic sequence, which takes the rows of the same data as independent.

The truth of a scenario is the mean of what its rows are expected to give, by their true probabilities, over all runs.
"""

from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context

import numpy as np
from ville import AsymptoticCS

from bench.figures import Figure
from bench.rollout.settings import BenchRolloutConfig
from bench.served.entry import say
from contracts.lifecycle.rollout import RolloutConfig
from contracts.params import read_section
from lifecycle.rollout.statistics.cells import CHALLENGER, CHAMPION, CellRows, counted, summed
from lifecycle.rollout.statistics.figures import estimated, excess_loss
from lifecycle.rollout.statistics.metrics import is_ready
from lifecycle.rollout.statistics.mixture import PASSING, SCALES, bound
from lifecycle.rollout.statistics.running import Entered

USERS, CREATIVES, CANDIDATES, DAYS = 2000, 150, 4, 10
ALPHA = 0.05  # to both sides together
SHARE = 0.5  # of the users that are the challenger's


@dataclass(frozen=True, kw_only=True)
class Challenger:
    """What it says beyond the truth, on the log-odds' scale."""

    name: str
    log_odds: float = 0.0  # too high everywhere
    noise: float = 0.2  # standard deviation; the champion's is 0.2
    rare: float = 0.0  # share of rows in which it is off by 4


CHALLENGERS = (
    Challenger(name="equal"),
    Challenger(name="odds 1.3 times too high", log_odds=float(np.log(1.3))),
    Challenger(name="skewed: wildly wrong in 0.3 % of the rows", rare=0.003),
)


@dataclass(frozen=True, kw_only=True)
class Run:
    """Of one drawn rollout, at every look."""

    value: np.ndarray
    error: np.ndarray
    scale: float
    is_ready: np.ndarray
    truth: float  # of its own rows
    ville: tuple[np.ndarray, np.ndarray]  # low and high


def figures(config: BenchRolloutConfig) -> list[Figure]:
    """Shares of the runs whose interval held the truth at every look from the burn-in on."""
    found: list[Figure] = []
    settings = read_section("rollout", RolloutConfig)
    for number, challenger in enumerate(CHALLENGERS):
        seeds = [config.seed + 100_000 * (number + 1) + run for run in range(config.coverage_runs)]
        with get_context("spawn").Pool(config.workers) as pool:
            runs = pool.map(partial(drawn, challenger, settings), seeds, chunksize=10)
        truth = float(np.mean([run.truth for run in runs]))
        ours, theirs = (np.mean([holds(run, truth) for run in runs]) for holds in (_holds, _villes_holds))
        name = f"coverage at all looks together, {challenger.name}"
        shown = f"{ours:.3f} of {len(runs)} rollouts ({1 - ALPHA:.0%} is claimed)"
        slack = 2 * np.sqrt(ALPHA * (1 - ALPHA) / len(runs))  # what so few runs may miss by chance
        found += [
            Figure(what=name, figure=shown, bar=f">= {1 - ALPHA:.0%}, less chance", met=bool(ours >= 1 - ALPHA - slack)),
            Figure(what=f"{name}: ville, row by row", figure=f"{theirs:.3f}"),
        ]
        say(f"{name}: {shown}; ville {theirs:.3f}")
    return found


def drawn(challenger: Challenger, settings: RolloutConfig, seed: int) -> Run:
    """A rollout of some 20,000 rows, all looks of it."""
    rng = np.random.default_rng(seed)
    pages = DAYS * 500
    number = pages * CANDIDATES
    user_N, creative_N = np.repeat(rng.integers(0, USERS, pages), CANDIDATES), rng.integers(0, CREATIVES, number)
    truth_N = -2.8 + rng.normal(0, 0.8, number) + rng.normal(0, 0.5, CREATIVES)[creative_N]
    champion_N = truth_N + 0.2 * _noise(rng, user_N, creative_N)
    said_N = truth_N + challenger.noise * _noise(rng, user_N, creative_N) + challenger.log_odds
    said_N += np.where(rng.random(number) < challenger.rare, 4.0, 0.0)
    p_N = _logistic(truth_N)
    clicked_N = (rng.random(number) < p_N).astype(np.float64)
    losses = {name: _loss(logit_N, clicked_N) for name, logit_N in (("h", said_N), ("c", champion_N))}
    expected_N = _loss(said_N, p_N) - _loss(champion_N, p_N)
    rows = CellRows(
        is_challenger_N=(rng.random(USERS) < SHARE)[user_N],
        weight_N=np.ones(number),
        user_N=user_N,
        unit_N=user_N * DAYS + np.arange(number) * DAYS // number,
        clicked_N=clicked_N,
        creative_N=creative_N,
    )
    entered = Entered(look_N=np.arange(number) // settings.look_rows, num_looks=-(-number // settings.look_rows))
    table = counted(rows, entered) | summed(rows, entered, losses | {"w": np.ones(number)})
    found = estimated(table, excess_loss(0.0), "both")
    arms = (expected_N[rows.is_challenger_N].mean(), expected_N[~rows.is_challenger_N].mean())
    return Run(
        value=found.value,
        error=found.error,
        scale=settings.effect * float(losses["c"].mean()),
        is_ready=is_ready(table, settings) & (table[f"{CHAMPION}/units"] + table[f"{CHALLENGER}/units"] > 0),
        truth=float(np.mean(arms)),
        ville=_villes(losses["h"] - losses["c"], settings),
    )


def _villes(difference_N: np.ndarray, settings: RolloutConfig) -> tuple[np.ndarray, np.ndarray]:
    sequence, ends = AsymptoticCS(alpha=ALPHA, t_opt=5000, min_samples=settings.burn_in_units), []
    for start in range(0, len(difference_N), settings.look_rows):
        sequence.update(difference_N[start : start + settings.look_rows])
        ends.append(sequence.interval())
    low_L, high_L = np.array(ends, dtype=np.float64).T
    return low_L, high_L


def _holds(run: Run, truth: float) -> bool:
    below, above = (bound(ALPHA / 2, (run.scale / run.error) ** 2, scales) * run.error for scales in (SCALES, PASSING))
    return bool(((run.value - below <= truth) & (truth <= run.value + above))[run.is_ready].all())


def _villes_holds(run: Run, truth: float) -> bool:
    low_L, high_L = run.ville
    return bool(((low_L <= truth) & (truth <= high_L)).all())


def _noise(rng: np.random.Generator, user_N: np.ndarray, creative_N: np.ndarray) -> np.ndarray:
    """Of variance 1: a quarter goes with the user, a quarter with the creative."""
    by_user, by_creative = rng.normal(0, 0.5, USERS)[user_N], rng.normal(0, 0.5, CREATIVES)[creative_N]
    alone: np.ndarray = rng.normal(0, 0.5**0.5, len(user_N))
    return by_user + by_creative + alone


def _logistic(x: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-x)))


def _loss(logit_N: np.ndarray, label_N: np.ndarray) -> np.ndarray:
    """Log-loss in nats; of a label between 0 and 1 the expected one."""
    return np.logaddexp(0, logit_N) - label_N * logit_N
