"""What the model is worth by how well it knows the creative: new ones, and five classes by their training rows.

Creatives come and go, so the mix of these classes in served rows differs from the test rows'; held against each other class by
class, a model is not called worse because its creatives are younger.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl

from contracts.serving.request import strings
from stages.evaluation.metrics import binary_entropy, row_log_loss

CLASSES = 5  # of the creatives that the model knows, with about as many test rows each
FIRST_ID = 2  # of a vocabulary: 0 is unknown, 1 missing


def creative_age(
    tested: pl.Series, trained: pl.Series, num_ids: int | None, label: np.ndarray, p_click: np.ndarray
) -> dict[str, Any]:
    """Rows, log-loss, click rate, mean prediction, and the log-loss that predictions expect, of each class that has test rows.

    `tested` and `trained` are the creatives of test and training rows; `num_ids` are the ids of the model's vocabulary of
    creatives, None if the model has none: then it knows those that have training rows.
    """
    rows_C = strings(trained).alias("value").value_counts(name="rows").filter(pl.col("value") != "")
    rows_C = rows_C.sort(["rows", "value"], descending=[True, False])  # as the vocabulary is: by rank, an id each
    rows_C = rows_C if num_ids is None else rows_C.head(num_ids - FIRST_ID)
    found = strings(tested).alias("value").to_frame().join(rows_C, on="value", how="left", maintain_order="left")
    rows_N = found["rows"].fill_null(0).to_numpy().astype(np.int64)
    is_missing_N = (found["value"] == "").to_numpy()
    loss_N = row_log_loss(label.astype(np.float64), p_click)
    masks: dict[str, np.ndarray] = {"known": rows_N > 0, "unknown": (rows_N == 0) & ~is_missing_N, "missing": is_missing_N}
    classes = {name: _worth(mask, loss_N, label, p_click) for name, mask in masks.items() if mask.any()}
    return classes | _quintiles(rows_N, rows_C["rows"].to_numpy(), num_ids, loss_N, label, p_click)


def _quintiles(
    rows_N: np.ndarray, rows_C: np.ndarray, num_ids: int | None, loss_N: np.ndarray, label: np.ndarray, p_click: np.ndarray
) -> dict[str, Any]:
    """Classes of known creatives, the least known first: their training rows, and their ids in the vocabulary, which follow on
    each other.
    """
    known_N = rows_N[rows_N > 0]
    if not len(known_N):
        return {}
    cuts = np.unique(np.quantile(known_N, np.arange(1, CLASSES) / CLASSES, method="inverted_cdf"))
    bounds = [0, *(int(cut) for cut in cuts if cut < known_N.max()), int(max(known_N.max(), rows_C.max()))]
    found = {}
    for place, (above, most) in enumerate(pairwise(bounds)):
        of_class = rows_C[(rows_C > above) & (rows_C <= most)]
        mask_N = (rows_N > above) & (rows_N <= most)
        first, last = (FIRST_ID + int((rows_C > bound).sum()) for bound in (most, above))
        entry = _worth(mask_N, loss_N, label, p_click) | {"train_rows": [int(of_class.min()), int(of_class.max())]}
        found[f"quintile {place + 1}"] = entry | {"ids": None if num_ids is None else [first, last - 1]}
    return found


def _worth(mask_N: np.ndarray, loss_N: np.ndarray, label: np.ndarray, p_click: np.ndarray) -> dict[str, Any]:
    return {
        "rows": int(mask_N.sum()),
        "log_loss": round(float(loss_N[mask_N].mean()), 7),
        "observed": round(float(label[mask_N].mean()), 7),
        "predicted": round(float(p_click[mask_N].astype(np.float64).mean()), 7),
        "predicted_log_loss": round(float(binary_entropy(p_click[mask_N]).mean()), 7),
    }
