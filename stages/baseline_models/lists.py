"""Columns with several values, as LightGBM sees them: how many values there are, and which, or how they were clicked.

Shape letters: N rows, L slots, V ids.
"""

from __future__ import annotations

import numpy as np

from stages.baseline_models.rates import NUM_FOLDS, RateTable, weighed
from stages.models.encoded_arrays import EncodedSpec, EncodedSplit
from stages.models.list_fields import MISSING_ID, ListFields

FIRST_ID = 2  # of a value that training knows


def list_columns(split: EncodedSplit, train: EncodedSplit, spec: EncodedSpec, strength: float, most_ids: int) -> np.ndarray:
    """float32 [N, columns]: of each column with several values the number of those that are there; where it has few ids, how
    often each is there; where it has many, the mean of their smoothed click rates, which no training row computes from its own
    label.
    """
    blocks = [np.empty((len(split), 0), dtype=np.float32)]
    for one in spec.lists:
        ids_NL, num_ids = split.cat_idx_NF[:, one.columns], spec.num_ids[one.fields[0]]
        is_there_NL = ids_NL != MISSING_ID
        blocks.append(is_there_NL.sum(axis=1, keepdims=True))
        if num_ids <= most_ids:
            blocks += [(ids_NL == value).sum(axis=1, keepdims=True) for value in range(FIRST_ID, num_ids)]
        else:
            blocks.append(_mean_rates(ids_NL, is_there_NL, one, num_ids, train, strength, is_train=split is train)[:, None])
    return np.concatenate(blocks, axis=1).astype(np.float32)


def _mean_rates(
    ids_NL: np.ndarray,
    is_there_NL: np.ndarray,
    one: ListFields,
    num_ids: int,
    train: EncodedSplit,
    strength: float,
    is_train: bool,
) -> np.ndarray:
    """float64 [N]; the rate of all rows where there is no value. A training row's is that of the other folds of rows."""
    clicks, rows = train.clicks_and_rows
    prior = clicks / rows
    whole = _table(train, one, slice(None), num_ids, prior, strength)
    if not is_train:
        return _mean(whole.rate(ids_NL), is_there_NL, prior)
    found = np.empty(len(ids_NL))
    for fold in range(NUM_FOLDS):
        mine = np.s_[fold::NUM_FOLDS]
        own = _table(train, one, mine, num_ids, prior, strength)
        others = RateTable(rows=whole.rows - own.rows, clicks=whole.clicks - own.clicks, prior=prior, strength=strength)
        found[mine] = _mean(others.rate(ids_NL[mine]), is_there_NL[mine], prior)
    return found


def _table(train: EncodedSplit, one: ListFields, where: slice, num_ids: int, prior: float, strength: float) -> RateTable:
    ids_NL = train.cat_idx_NF[where, one.columns]
    weight_N = None if train.weight_N is None else train.weight_N[where]
    rows_N = np.ones(len(ids_NL)) if weight_N is None else weight_N
    rows_V, clicks_V = (
        np.bincount(ids_NL.ravel(), np.repeat(value_N, ids_NL.shape[1]), minlength=num_ids)
        for value_N in (rows_N, weighed(train.label_N[where], weight_N))
    )
    return RateTable(rows=rows_V, clicks=clicks_V, prior=prior, strength=strength)


def _mean(rate_NL: np.ndarray, is_there_NL: np.ndarray, prior: float) -> np.ndarray:
    length_N = is_there_NL.sum(axis=1)
    return np.where(length_N > 0, (rate_NL * is_there_NL).sum(axis=1) / np.maximum(length_N, 1), prior)
