"""Smoothed click rates of ids: the beta-binomial posterior mean (clicks + s * prior) / (rows + s).

`s`, the strength of the prior in impressions, is the value of a list that predicts the validation rows best.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stages.evaluation.metrics import log_loss

NUM_FOLDS = 5


@dataclass(frozen=True, kw_only=True)
class RateTable:
    """Training rows and clicks of every id of a column, as they weigh."""

    rows: np.ndarray  # float64 [ids]
    clicks: np.ndarray  # float64 [ids]
    prior: float  # click rate of all training rows
    strength: float  # impressions the prior counts for

    def rate(self, ids: np.ndarray) -> np.ndarray:
        """Smoothed rate of each row, float64 [N]; the prior for an id without training rows."""
        return ((self.clicks + self.strength * self.prior) / (self.rows + self.strength))[ids]

    def log_rows(self, ids: np.ndarray) -> np.ndarray:
        """log(1 + training rows of the id): how far the rate can be trusted."""
        return np.log1p(self.rows)[ids]


def fit_rates(
    train_ids: np.ndarray,
    train_label: np.ndarray,
    val_ids: np.ndarray,
    val_label: np.ndarray,
    strengths: Sequence[float],
    train_weight: np.ndarray | None = None,
    val_weight: np.ndarray | None = None,
) -> tuple[RateTable, float]:
    """The table with the strength that predicts val best, and its log-loss there."""
    num_ids = int(max(train_ids.max(), val_ids.max())) + 1
    rows = np.bincount(train_ids, train_weight, minlength=num_ids).astype(np.float64)
    clicks = np.bincount(train_ids, weighed(train_label, train_weight), minlength=num_ids)
    prior = float(train_label.mean() if train_weight is None else np.average(train_label, weights=train_weight))
    tables = [RateTable(rows=rows, clicks=clicks, prior=prior, strength=s) for s in strengths]
    losses = [log_loss(val_label, table.rate(val_ids), val_weight) for table in tables]
    best = int(np.argmin(losses))
    return tables[best], losses[best]


def weighed(label: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
    """Clicks of rows, as they weigh."""
    return label if weight is None else label * weight


def forward_features(
    ids: np.ndarray, label: np.ndarray, table: RateTable, weight: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Rate and log(1 + rows) of each training row from the rows before it only, so that no row sees its own label."""
    order = np.argsort(ids, kind="stable")
    sorted_ids, sorted_label = ids[order], weighed(label, weight)[order].astype(np.float64)
    is_first = np.append(True, sorted_ids[1:] != sorted_ids[:-1])
    first = np.flatnonzero(is_first)[np.cumsum(is_first) - 1]
    rows_before = np.arange(ids.shape[0]) if weight is None else np.cumsum(weight[order]) - weight[order]
    rows_before = rows_before - rows_before[first]
    clicks_before = np.cumsum(sorted_label) - sorted_label
    clicks_before -= clicks_before[first]
    rate, log_rows = np.empty(ids.shape[0]), np.empty(ids.shape[0])
    rate[order] = (clicks_before + table.strength * table.prior) / (rows_before + table.strength)
    log_rows[order] = np.log1p(rows_before)
    return rate, log_rows


def out_of_fold_features(
    ids: np.ndarray, label: np.ndarray, table: RateTable, weight: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """As `forward_features`, from the rows of the other folds; row i is in fold i modulo 5."""
    rate, log_rows = np.empty(ids.shape[0]), np.empty(ids.shape[0])
    for fold in range(NUM_FOLDS):
        mine = np.s_[fold::NUM_FOLDS]
        size = table.rows.shape[0]
        others = RateTable(
            rows=table.rows - np.bincount(ids[mine], None if weight is None else weight[mine], minlength=size),
            clicks=table.clicks - np.bincount(ids[mine], weighed(label, weight)[mine], minlength=size),
            prior=table.prior,
            strength=table.strength,
        )
        rate[mine], log_rows[mine] = others.rate(ids[mine]), others.log_rows(ids[mine])
    return rate, log_rows
