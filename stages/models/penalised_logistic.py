"""Logistic regression on one-hot ids and dense columns, its penalty chosen on the validation rows."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from stages.models.encoded_arrays import EncodedSpec, EncodedSplit
from stages.models.list_fields import slot_weights
from stages.models.val_metrics import log_loss

# Dual coordinate descent calls no BLAS, so its bytes are the same on every processor. The tolerance is liblinear's measure:
# 1e-3 moves the loss on val by 4e-7. It penalises the intercept, a hundredth as much with a scaling of 10.
LIBLINEAR = {"solver": "liblinear", "dual": True, "tol": 1e-2, "intercept_scaling": 10}
LBFGS = {"solver": "lbfgs", "tol": 1e-5}  # for more than 2**31 entries, which liblinear cannot count


@dataclass(frozen=True, kw_only=True)
class Kept:
    """The regression whose penalty did best on val."""

    model: LogisticRegression
    c: float  # inverse strength of its penalty
    val_log_loss: dict[float, float]  # of every C that was tried, in nats
    val_logit_N: np.ndarray  # float64


def choose_logistic(
    train: EncodedSplit,
    val: EncodedSplit,
    spec: EncodedSpec,
    c_values: Sequence[float],
    max_iter: int,
    seed: int,
    logit_shift: float = 0.0,
) -> Kept:
    """Regressions on `train` with ascending values of C, until one is worse on `val` than the one before; there, its logit is
    `logit_shift` above what it is among the rows of `train`.
    """
    features, val_features = one_hot(train, spec), one_hot(val, spec)
    tried: dict[float, float] = {}
    kept: tuple[LogisticRegression, float, np.ndarray] | None = None
    for c, model in _fits(features, train.label_N, train.weight_N, sorted(c_values), max_iter, seed):
        val_logit_N = model.decision_function(val_features) + logit_shift
        tried[c] = log_loss(val_logit_N, val.label_N, val.weight_N)
        if kept is not None and tried[c] >= tried[kept[1]]:
            break
        kept = model, c, val_logit_N
    model, c, val_logit_N = kept
    return Kept(model=model, c=c, val_log_loss=tried, val_logit_N=val_logit_N)


def _fits(
    features: sparse.csr_matrix,
    label_N: np.ndarray,
    weight_N: np.ndarray | None,
    c_values: Sequence[float],
    max_iter: int,
    seed: int,
) -> Iterator[tuple[float, LogisticRegression]]:
    solver = LIBLINEAR if features.indices.dtype == np.int32 else LBFGS
    for c in c_values:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the limit is chosen for time; val judges the result
            model = LogisticRegression(C=c, max_iter=max_iter, random_state=seed % 2**32, **solver)
            model.fit(features, label_N, sample_weight=weight_N)
        yield c, model


def one_hot(split: EncodedSplit, spec: EncodedSpec) -> sparse.csr_matrix:
    """One row an impression, float32 (half the time of float64, same loss): a one for each field's id, then the dense columns.

    The values of a column with several share its one, or have one each, as the networks pool them.
    """
    num_rows, num_fields = split.cat_idx_NF.shape
    num_dense = split.num_feats_NM.shape[1]
    offsets = np.array(spec.own_offsets, dtype=np.int64)
    width = int(offsets[-1]) + num_dense
    per_row = num_fields + num_dense
    index_dtype = np.int32 if max(width, num_rows * per_row) < 2**31 else np.int64
    columns = np.empty((num_rows, per_row), dtype=index_dtype)
    columns[:, :num_fields] = split.cat_idx_NF + offsets[:-1].astype(index_dtype)
    columns[:, num_fields:] = np.arange(offsets[-1], width, dtype=index_dtype)
    values = np.ones((num_rows, per_row), dtype=np.float32)
    values[:, num_fields:] = split.num_feats_NM
    for one in spec.lists:
        values[:, one.columns] = slot_weights(split.cat_idx_NF[:, one.columns], one.pool)
    starts = np.arange(num_rows + 1, dtype=index_dtype) * per_row
    return sparse.csr_matrix((values.ravel(), columns.ravel(), starts), shape=(num_rows, width))
