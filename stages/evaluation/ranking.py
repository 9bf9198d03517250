"""Rows of one model sorted once, so that AUC, losses and calibration under thousands of row weights are cheap.

Legend: N rows, G groups (slices of one column; one group is the whole test set), P clicked rows, K bins.
"""

from __future__ import annotations

import numpy as np

from stages.evaluation.metrics import row_log_loss


class Ranking:
    """One model's predictions sorted within groups; `weighted` gives the sufficient sums of every group."""

    def __init__(
        self,
        label: np.ndarray,
        p_click: np.ndarray,
        group: np.ndarray | None = None,
        num_groups: int = 1,
        extra: dict[str, np.ndarray] | None = None,
    ) -> None:
        """`group` int [N] in [0, num_groups), every group non-empty; `extra` float [N] columns to sum as well."""
        p = p_click.astype(np.float64)
        group_N = np.zeros(label.shape[0], dtype=np.int32) if group is None else group.astype(np.int32)
        order = np.argsort(p, kind="stable") if num_groups == 1 else np.lexsort((p, group_N))
        self.order = order.astype(np.int32)
        self.num_groups = num_groups
        p_sorted, group_sorted = p[order], group_N[order]
        clicked = label[order] > 0
        self.p_sorted = p_sorted
        self.group_starts = np.searchsorted(group_sorted, np.arange(num_groups + 1))
        if (np.diff(self.group_starts) == 0).any():
            raise ValueError("every group of a ranking needs at least one row")
        self.click_at = np.flatnonzero(clicked)
        self.click_group = group_sorted[self.click_at]
        self.tie_start, self.tie_end = _tie_bounds(p_sorted, group_sorted, self.click_at)
        columns = {"loss": row_log_loss(label, p), "predicted": p, **(extra or {})}
        self.columns = {name: values[order].astype(np.float64) for name, values in columns.items()}
        self.gap_sorted: np.ndarray | None = None
        self.bin_starts: np.ndarray | None = None
        self._label_sorted = clicked

    def use_bins(self, num_bins: int, mass: np.ndarray | None = None) -> np.ndarray:
        """Cut the rows into equal-mass bins for the calibration error; returns the first sorted row of each bin [K].

        `mass` [N] is what rows weigh.
        """
        self.bin_starts = equal_mass_starts(self.p_sorted, num_bins, None if mass is None else mass[self.order])
        self.gap_sorted = self.p_sorted - self._label_sorted
        return self.bin_starts

    def weighted(self, weight: np.ndarray) -> dict[str, np.ndarray]:
        """Sums and AUC under row weights [N]: each value is float64 [G]; AUC is NaN where a class has no weight.

        Keys: rows, clicks, auc, loss, predicted, the extra columns, and ece (over all rows) after `use_bins`.
        """
        w = weight[self.order].astype(np.float64)
        w_click = w[self.click_at]
        unclicked = w.copy()
        unclicked[self.click_at] = 0.0
        below = np.empty(w.shape[0] + 1)
        below[0] = 0.0
        np.cumsum(unclicked, out=below[1:])
        starts, ends = self.group_starts[:-1], self.group_starts[1:]
        beaten = 0.5 * (below[self.tie_start] + below[self.tie_end]) - below[starts[self.click_group]]
        wins = np.bincount(self.click_group, w_click * beaten, self.num_groups)
        clicks = np.bincount(self.click_group, w_click, self.num_groups)
        others = below[ends] - below[starts]
        sums = {"clicks": clicks, "rows": clicks + others}
        with np.errstate(invalid="ignore", divide="ignore"):
            sums["auc"] = wins / (clicks * others)
        for name, values in self.columns.items():
            product = np.multiply(w, values, out=unclicked)
            sums[name] = np.add.reduceat(product, starts)
        if self.bin_starts is not None and self.gap_sorted is not None:
            gaps = np.add.reduceat(np.multiply(w, self.gap_sorted, out=unclicked), self.bin_starts)
            sums["ece"] = np.array([np.abs(gaps).sum() / w.sum()])
        return sums


def auc(label: np.ndarray, p_click: np.ndarray, weight: np.ndarray | None = None) -> float | None:
    """Probability that a clicked row is ranked above an unclicked one, ties counting half; None if a class is absent."""
    one = np.ones(label.shape[0]) if weight is None else weight
    value = float(Ranking(label, p_click).weighted(one)["auc"][0])
    return value if np.isfinite(value) else None


def _tie_bounds(p: np.ndarray, group: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First row and one past the last row of the run of equal predictions around each sorted row in `at`."""
    new_run = np.empty(p.shape[0], dtype=bool)
    new_run[:1] = True
    new_run[1:] = (p[1:] != p[:-1]) | (group[1:] != group[:-1])
    starts = np.flatnonzero(new_run)
    run = np.searchsorted(starts, at, side="right") - 1
    return starts[run], np.append(starts, p.shape[0])[run + 1]


def equal_mass_starts(p_sorted: np.ndarray, num_bins: int, mass_sorted: np.ndarray | None = None) -> np.ndarray:
    """First row of each of at most `num_bins` bins of about equal size, int64 [K], or of equal weight; equal predictions share a
    bin.
    """
    num_rows = p_sorted.shape[0]
    cuts = np.arange(num_bins) * num_rows // num_bins
    if mass_sorted is not None:
        up_to = np.cumsum(mass_sorted)
        cuts = np.minimum(np.searchsorted(up_to, np.arange(num_bins) * up_to[-1] / num_bins, side="right"), num_rows - 1)
    return np.unique(np.searchsorted(p_sorted, p_sorted[cuts], side="left"))
