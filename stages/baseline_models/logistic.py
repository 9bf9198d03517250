"""Logistic regression on one-hot ids and dense columns, its regularisation chosen on the validation rows."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from stages.evaluation.metrics import log_loss
from stages.models.encoded_arrays import EncodedSpec, EncodedSplit

# Dual coordinate descent calls no BLAS, so its bytes are the same on every processor. The tolerance is liblinear's measure:
# 1e-3 moves the loss on val by 4e-7. It penalises the intercept, a hundredth as much with a scaling of 10.
LIBLINEAR = {"solver": "liblinear", "dual": True, "tol": 1e-2, "intercept_scaling": 10}
LBFGS = {"solver": "lbfgs", "tol": 1e-5}  # for more than 2**31 entries, which liblinear cannot count


def fit_logistic(
    splits: dict[str, EncodedSplit], spec: EncodedSpec, c_values: Sequence[float], max_iter: int, seed: int
) -> tuple[np.ndarray, dict[str, Any]]:
    """p_click of the test rows, float64 [N], and what was tried on val: ascending values of C until one is worse."""
    features = {name: one_hot(split, spec) for name, split in splits.items()}
    solver = LIBLINEAR if features["train"].indices.dtype == np.int32 else LBFGS
    tried: dict[str, float] = {}
    best_loss, p_test = np.inf, np.empty(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the limit is chosen for time; val judges the result
        for c in sorted(c_values):
            model = LogisticRegression(C=c, max_iter=max_iter, random_state=seed % 2**32, **solver)
            model.fit(features["train"], splits["train"].label_N)
            loss = log_loss(splits["val"].label_N, model.predict_proba(features["val"])[:, 1])
            tried[f"C={c:g}"] = round(loss, 7)
            if loss >= best_loss:
                break
            best_loss, kept = loss, c
            p_test = model.predict_proba(features["test"])[:, 1]
    return p_test, {"kept": f"C={kept:g}", "val_log_loss": tried, "num_weights": int(features["train"].shape[1]) + 1}


def one_hot(split: EncodedSplit, spec: EncodedSpec) -> sparse.csr_matrix:
    """One row an impression, float32 (half the time of float64, same loss): a one for each field's id, then the dense columns."""
    num_rows, num_fields = split.cat_idx_NF.shape
    num_dense = split.num_feats_NM.shape[1]
    offsets = np.concatenate([[0], np.cumsum(spec.num_ids)]).astype(np.int64)
    width = int(offsets[-1]) + num_dense
    per_row = num_fields + num_dense
    index_dtype = np.int32 if max(width, num_rows * per_row) < 2**31 else np.int64
    columns = np.empty((num_rows, per_row), dtype=index_dtype)
    columns[:, :num_fields] = split.cat_idx_NF + offsets[:-1].astype(index_dtype)
    columns[:, num_fields:] = np.arange(offsets[-1], width, dtype=index_dtype)
    values = np.ones((num_rows, per_row), dtype=np.float32)
    values[:, num_fields:] = split.num_feats_NM
    starts = np.arange(num_rows + 1, dtype=index_dtype) * per_row
    return sparse.csr_matrix((values.ravel(), columns.ravel(), starts), shape=(num_rows, width))
