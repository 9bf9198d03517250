"""What each metric says at every look: passed, failed, or open. Every question is answered from the sums alone.

A metric passes at chance rollout.alpha_promote, all must pass, so that it is not split. Any may fail, so rollout.alpha_back
is: three eighths for the log-loss (two thirds of it for the mean of both arms, a sixth by the rows, a sixth in shadow), a quarter
for the calibration, three eighths for the slices.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from contracts.lifecycle.rollout import RolloutConfig
from lifecycle.rollout.statistics.cells import CHALLENGER, CHAMPION, Table
from lifecycle.rollout.statistics.figures import InArm, champion_loss, estimated, excess_loss, mean_excess, off_together, shift
from lifecycle.rollout.statistics.mixture import PASSING, SCALES, log_mixture

CANARY_SHARE, ROWS_SHARE, SHADOW_SHARE, CALIBRATION_SHARE, SLICES_SHARE = 0.25, 0.0625, 0.0625, 0.25, 0.375  # of alpha_back
ALIKE_SLICES, ALIKE_SHARE = 64, 0.75  # the first values of slices share that much of their part alike; those seen later the rest


@dataclass(frozen=True, kw_only=True)
class MetricAnswers:
    """bool [L] each."""

    passes: np.ndarray
    fails: np.ndarray


def is_ready(table: Table, config: RolloutConfig) -> np.ndarray:
    """Is there enough of both arms for the errors to be known."""
    units = table[f"{CHAMPION}/units"] + table[f"{CHALLENGER}/units"]
    clicks = np.minimum(table[f"{CHAMPION}/clicks"], table[f"{CHALLENGER}/clicks"])
    return (units >= config.burn_in_units) & (table[f"{CHALLENGER}/units"] >= config.arm_units) & (clicks >= config.arm_clicks)


def log_loss(table: Table, config: RolloutConfig) -> MetricAnswers:
    """Of canary steps. It passes if the mean of both arms is below what is needed, and neither arm alone is surely above the
    margin.
    """
    needed = 0.0 if config.need == "better" else config.margin
    ready, scale = is_ready(table, config), config.effect * champion_loss(table)
    is_below = surely(table, excess_loss(needed), "both", 0.0, -1, scale, config.alpha_promote, PASSING)
    is_above = surely_worse(table, excess_loss(needed), scale, config.alpha_back * CANARY_SHARE, config.alpha_back * ROWS_SHARE)
    disagrees = np.zeros_like(ready)
    for view in ("own", "other"):
        disagrees |= surely(table, excess_loss(config.margin), view, 0.0, 1, scale, config.alpha_promote)
    return MetricAnswers(passes=ready & is_below & ~disagrees, fails=ready & is_above)


def shadow_loss(table: Table, config: RolloutConfig) -> MetricAnswers:
    """Of shadow steps, where only the champion's choice was shown: that flatters the challenger, so it can fail, and never
    pass.
    """
    units, clicks = table[f"{CHAMPION}/units"], table[f"{CHAMPION}/clicks"]
    ready = (units >= config.burn_in_units) & (clicks >= config.arm_clicks)
    needed = 0.0 if config.need == "better" else config.margin
    scale = config.effect * table[f"{CHAMPION}/c"] / np.maximum(table[f"{CHAMPION}/w"], 1e-300)
    level = config.alpha_back * SHADOW_SHARE
    is_above = surely(table, excess_loss(needed), "other", 0.0, 1, scale, level)
    return MetricAnswers(passes=np.zeros_like(ready), fails=ready & is_above)


def calibration(table: Table, config: RolloutConfig) -> MetricAnswers:
    """Is |log(predicted / observed)| of the challenger at most that of the champion plus calibration_margin.

    With d the shift between the two and s the sum of both logarithms, it is so if (d or s <= margin) and (-d or -s <= margin);
    it is not if (d and s > margin) or (-d and -s > margin). An "or" splits the chance of error, an "and" does not.
    """
    ready, margin, half = is_ready(table, config), config.calibration_margin, config.alpha_promote / 2
    level = config.alpha_back * CALIBRATION_SHARE / 2
    scale = np.full_like(table[f"{CHAMPION}/w"], margin)

    def beyond(side: int, of: InArm, alpha: float) -> np.ndarray:
        return surely(table, of, "both", side * margin, side, scale, alpha)

    def within(side: int, of: InArm) -> np.ndarray:
        return surely(table, of, "both", side * margin, -side, scale, half, PASSING)

    passes = (within(1, shift) | within(1, off_together)) & (within(-1, shift) | within(-1, off_together))
    fails = (beyond(1, shift, level) & beyond(1, off_together, level)) | (
        beyond(-1, shift, level) & beyond(-1, off_together, level)
    )
    return MetricAnswers(passes=ready & passes, fails=ready & fails)


def slice_loss(table: Table, whole: Table, config: RolloutConfig, place: int) -> MetricAnswers:
    """Of one value of a watched column, the `place`-th that was seen (from 0): it fails if it is surely above slice_margin.

    `table` has the variable z, the excess beyond slice_margin; `whole` is that of all rows, which must be ready too.
    """
    rows = table[f"{CHAMPION}/rows"] + table[f"{CHALLENGER}/rows"]
    clicks = np.minimum(table[f"{CHAMPION}/clicks"], table[f"{CHALLENGER}/clicks"])
    ready = (rows >= config.slice_rows) & (table[f"{CHALLENGER}/units"] >= config.arm_units) & (clicks >= config.arm_clicks)
    ready &= is_ready(whole, config)
    scale = config.slice_margin * champion_loss(table)
    level = config.alpha_back * SLICES_SHARE * slice_share(place)
    return MetricAnswers(passes=~ready, fails=ready & surely_worse(table, mean_excess, scale, level / 2, level / 2))


def slice_share(place: int) -> float:
    """Of the slices' chance of error; over all places they add up to 1 (the later ones by 6 / (pi j)^2, Euler's sum)."""
    if place < ALIKE_SLICES:
        return ALIKE_SHARE / ALIKE_SLICES
    return (1 - ALIKE_SHARE) * 6 / (math.pi * (place - ALIKE_SLICES + 1)) ** 2


def surely_worse(table: Table, of: InArm, scale: np.ndarray, alpha_both: float, alpha_rows: float) -> np.ndarray:
    """bool [L]: is the excess above 0 in the mean of both arms, or by the rows, each at its chance of error.

    The mean is what is to be known, and is as uncertain as the smaller arm. The rows are far more certain while the share is
    small, and flatter the challenger, so that what is surely worse by them is worse.
    """
    return surely(table, of, "both", 0.0, 1, scale, alpha_both) | surely(table, of, "rows", 0.0, 1, scale, alpha_rows)


def surely(
    table: Table,
    of: InArm,
    view: str,
    limit: float,
    side: int,
    scale: np.ndarray,
    alpha: float,
    scales: Sequence[float] = SCALES,
) -> np.ndarray:
    """bool [L]: is the figure on this side of the limit (1: above, -1: below), by a test that holds at all looks together."""
    found = estimated(table, of, view)
    with np.errstate(divide="ignore", invalid="ignore"):
        x, v = side * (found.value - limit) / found.error, (scale / found.error) ** 2
    known = np.isfinite(x) & np.isfinite(v) & (x > 0)
    answer = np.zeros(known.shape, dtype=bool)
    answer[known] = log_mixture(x[known], v[known], scales) >= -math.log(alpha)
    return answer
