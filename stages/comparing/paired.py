"""Log-loss and calibration of both models on the same rows, with intervals of their difference, for all rows and for slices.

Whole users are drawn, and whole creatives; the wider of the two intervals counts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from stages.comparing.resampling import DrawnSums, PoissonWeights
from stages.evaluation.intervals import MIN_EVENTS, Estimate, Evidence, evidence, from_replicates
from stages.evaluation.metrics import row_log_loss
from stages.evaluation.slices import Slice

ROWS, CLICKS, CHAMPION_LOSS, CANDIDATE_LOSS, CHAMPION_SUM, CANDIDATE_SUM, OLD_LOSS = range(7)
Sums = np.ndarray  # [M] or [M, R]


class PairedSums:
    """Sums of both models' losses and predictions by slice value, under draws of each kind of unit. Group 0 is all rows."""

    def __init__(self, slices: list[Slice], units: tuple[str, ...], num_resamples: int, seed: int) -> None:
        """`units`: what is drawn as a whole, in the plural; `slices` have a code for every test row."""
        self.slices = slices
        self._starts = np.cumsum([1, *(len(one.values) for one in slices)])
        weights = PoissonWeights(num_resamples, seed)
        self._drawn = [DrawnSums(OLD_LOSS + 1, int(self._starts[-1]), weights, what) for what in units]

    def add(
        self,
        start: int,
        units: list[np.ndarray],
        label_N: np.ndarray,
        predictions: list[np.ndarray],
        mass_N: np.ndarray | float = 1.0,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Add rows from number `start` on; `predictions` of champion, candidate, and candidate as old requests are answered;
        `mass_N` is what rows weigh.

        Returns each row's loss by champion and candidate, float64 [N].
        """
        num_rows = len(label_N)
        losses = [row_log_loss(label_N, p_click) for p_click in predictions]
        sums = [p_click.astype(np.float64) for p_click in predictions[:2]]
        measures = np.stack([np.ones(num_rows), label_N, losses[0], losses[1], *sums, losses[2]]) * mass_N
        place = slice(start, start + num_rows)
        groups = [np.zeros(num_rows, dtype=np.int64)]
        groups += [first + one.codes[place].astype(np.int64) for first, one in zip(self._starts, self.slices, strict=False)]
        for drawn, unit_N in zip(self._drawn, units, strict=True):
            drawn.add(unit_N, np.stack(groups), measures)
        return losses[0], losses[1]

    @property
    def units(self) -> list[str]:
        """What is drawn as a whole, in the plural."""
        return [drawn.what for drawn in self._drawn]

    def point(self, group: int = 0) -> Sums:
        return self._drawn[0].point_MG[:, group]

    def groups(self, place: int) -> list[int]:
        """Groups of the values of slice number `place`."""
        return list(range(int(self._starts[place]), int(self._starts[place + 1])))

    def replicates(self, group: int, of: Callable[[Sums], Any]) -> list[np.ndarray]:
        """`of` the sums under every draw, float64 [R] for each kind of unit."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return [of(drawn.drawn_MGR[:, group]) for drawn in self._drawn]

    def evidence(self, group: int) -> list[Evidence]:
        """What an interval rests on, for each kind of unit."""
        rows, clicks = int(self.point(group)[ROWS]), int(self.point(group)[CLICKS])
        units = [Evidence(count=drawn.num_units(group), what=drawn.what) for drawn in self._drawn]
        return [evidence(clicks, rows, one) for one in units]

    def estimate(self, group: int, of: Callable[[Sums], Any], confidence: float) -> dict[str, Any]:
        """`of` the sums, with the widest interval; `by` names the units that gave it."""
        with np.errstate(invalid="ignore", divide="ignore"):
            value = float(of(self.point(group)))
        given = zip(self.replicates(group, of), self.evidence(group), self._drawn, strict=True)
        estimates = [(from_replicates(value, drawn, one, confidence), sums.what) for drawn, one, sums in given]
        widest, by = max(estimates, key=lambda pair: _width(pair[0]))
        return {**widest.as_dict(), "by": by}


def _width(estimate: Estimate) -> float:
    return np.inf if estimate.low is None else estimate.high - estimate.low


def relative(sums: Sums) -> Any:
    """The candidate's log-loss over the champion's, minus 1: below 0 is better."""
    return sums[CANDIDATE_LOSS] / sums[CHAMPION_LOSS] - 1


def old_relative(sums: Sums) -> Any:
    """The same where the candidate answers requests without the new columns."""
    return sums[OLD_LOSS] / sums[CHAMPION_LOSS] - 1


def champion_ratio(sums: Sums) -> Any:
    return sums[CLICKS] / sums[CHAMPION_SUM]


def candidate_ratio(sums: Sums) -> Any:
    return sums[CLICKS] / sums[CANDIDATE_SUM]


def miscalibration_growth(sums: Sums) -> Any:
    """How much further the candidate's log(observed / predicted) is from 0 than the champion's."""
    return np.abs(np.log(candidate_ratio(sums))) - np.abs(np.log(champion_ratio(sums)))


def summary(sums: PairedSums, group: int, confidence: float) -> dict[str, Any]:
    """Rows, clicks, both models' log-loss and observed / predicted, and the differences with intervals."""
    point = sums.point(group)
    rows = max(point[ROWS], 1.0)
    found = {"rows": int(point[ROWS]), "clicks": int(point[CLICKS])}
    for name, loss, ratio in (
        ("champion", CHAMPION_LOSS, champion_ratio),
        ("candidate", CANDIDATE_LOSS, candidate_ratio),
    ):
        with np.errstate(invalid="ignore", divide="ignore"):
            found[name] = {
                "log_loss": round(float(point[loss] / rows), 7),
                "observed_over_predicted": round(float(ratio(point)), 7),
            }
    found["relative"] = sums.estimate(group, relative, confidence)
    found["miscalibration_growth"] = _miscalibration(sums, group, confidence)
    return found


def _miscalibration(sums: PairedSums, group: int, confidence: float) -> dict[str, Any]:
    if sums.point(group)[CLICKS] < MIN_EVENTS:
        reason = f"{int(sums.point(group)[CLICKS])} clicks, at least {MIN_EVENTS} are needed"
        return {"value": None, "low": None, "high": None, "reason": reason}
    return sums.estimate(group, miscalibration_growth, confidence)
