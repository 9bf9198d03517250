"""Logistic regression on one-hot ids and dense columns, as a baseline: what it says of the test rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from stages.models.encoded_arrays import EncodedSpec, EncodedSplit
from stages.models.penalised_logistic import choose_logistic, one_hot


def fit_logistic(
    splits: dict[str, EncodedSplit], spec: EncodedSpec, c_values: Sequence[float], max_iter: int, seed: int
) -> tuple[np.ndarray, dict[str, Any]]:
    """p_click of the test rows, float64 [N], and what was tried on val: ascending values of C until one is worse."""
    kept = choose_logistic(splits["train"], splits["val"], spec, c_values, max_iter, seed)
    p_test = kept.model.predict_proba(one_hot(splits["test"], spec))[:, 1]
    tried = {f"C={c:g}": round(loss, 7) for c, loss in kept.val_log_loss.items()}
    return p_test, {"kept": f"C={kept.c:g}", "val_log_loss": tried, "num_weights": int(kept.model.coef_.shape[1]) + 1}
