"""Pairs of a rollout whose truth is known: users and creatives go together, challengers are equal, biased or worse."""

import numpy as np
import polars as pl

from contracts.lifecycle.rollout import RolloutConfig
from contracts.params import read_section
from lifecycle.rollout.pairs import SLICE
from lifecycle.rollout.rollout import Step
from lifecycle.rollout.statistics.judge import judge

DAY_NS, START_NS = 86400 * 10**9, 1_764_547_200 * 10**9  # 2025-12-01
USERS, CREATIVES, CANDIDATES = 3000, 200, 4
STEPS = (
    Step(number=0, mode="shadow", share_ppm=0, digest="0" * 16, from_ns=START_NS),
    Step(number=1, mode="canary", share_ppm=500_000, digest="1" * 16, from_ns=START_NS),
)


def settings(**changed) -> RolloutConfig:
    return read_section("rollout", RolloutConfig, overrides=changed)


def logistic(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def simulated(
    seed: int,
    days: int = 12,
    pages: int = 1000,
    noise: float = 0.2,
    champion_noise: float = 0.2,
    log_odds: float = 0.0,
    only_slice: bool = False,
    step: int = 1,
    share: float = 0.5,
) -> pl.DataFrame:
    """Page views of four candidates, all shown. `log_odds`: of the challenger too high, where only_slice on device 3 alone."""
    rng, number = np.random.default_rng(seed), days * pages * CANDIDATES
    user_N = np.repeat(rng.integers(0, USERS, days * pages), CANDIDATES)
    creative_N, device_N = rng.integers(0, CREATIVES, number), rng.integers(0, 20, number)
    truth_N = -2.5 + rng.normal(0, 0.8, number) + rng.normal(0, 0.5, CREATIVES)[creative_N]
    said = {}
    for name, size in (("champion", champion_noise), ("challenger", noise)):
        by = [rng.normal(0, 0.5, USERS)[user_N], rng.normal(0, 0.5, CREATIVES)[creative_N], rng.normal(0, 0.7, number)]
        said[name] = truth_N + size * sum(by)
    said["challenger"] += np.where((device_N == 3) | (not only_slice), log_odds, 0.0)
    at_N = START_NS + np.repeat(np.sort(rng.integers(0, days * DAY_NS, days * pages)), CANDIDATES)
    arm_N = (rng.random(USERS) < share)[user_N] & (step > 0)
    return pl.DataFrame(
        {
            "answered_at": pl.Series(at_N).cast(pl.Datetime("ns", "UTC")),
            "prediction_id": (np.arange(number) // CANDIDATES).astype(str),
            "row": np.tile(np.arange(CANDIDATES, dtype=np.uint32), days * pages),
            "step": np.full(number, step, dtype=np.int16),
            "arm": arm_N.astype(np.int8),
            "key": user_N.astype(np.uint64),
            "creative": creative_N.astype(str),
            "champion": logistic(said["champion"]),
            "challenger": logistic(said["challenger"]),
            "clicked": (rng.random(number) < logistic(truth_N)).astype(np.int8),
            "weight": np.ones(number),
            "source": np.zeros(number, dtype=np.int8),
            "fell_back": np.zeros(number, dtype=bool),
            SLICE + "device": device_N.astype(str),
        }
    )


def assigned(pairs: pl.DataFrame) -> pl.DataFrame:
    return pairs.select("answered_at", "step", "key", "arm").unique(["step", "key"], keep="first", maintain_order=True)


def judged(pairs: pl.DataFrame, **changed):
    return judge(pairs, assigned(pairs), STEPS, settings(**changed))
