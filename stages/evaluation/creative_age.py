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
from stages.row_weights import RowWeights

CLASSES = 5  # of the creatives that the model knows, with about as many test rows each
FIRST_ID = 2  # of a vocabulary: 0 is unknown, 1 missing


def creative_age(
    tested: pl.Series,
    trained: pl.Series,
    num_ids: int | None,
    label: np.ndarray,
    p_click: np.ndarray,
    weights: RowWeights | None = None,
    trained_count: np.ndarray | None = None,
) -> dict[str, Any]:
    """Rows, log-loss, click rate, mean prediction, and the log-loss that predictions expect, of each class that has test rows.

    `tested` and `trained` are the creatives of test and training rows; `num_ids` are the ids of the model's vocabulary of
    creatives, None if the model has none: then it knows those that have training rows. `weights` are those of the test rows, and
    `trained_count` says how many impressions a training row stands for.
    """
    count = np.ones(len(trained), dtype=np.int64) if trained_count is None else trained_count.astype(np.int64)
    counted = pl.DataFrame({"value": strings(trained), "rows": pl.Series(count, dtype=pl.Int64)})
    rows_C = counted.group_by("value").agg(pl.col("rows").sum()).filter(pl.col("value") != "")
    rows_C = rows_C.sort(["rows", "value"], descending=[True, False])  # as the vocabulary is: by rank, an id each
    rows_C = rows_C if num_ids is None else rows_C.head(num_ids - FIRST_ID)
    found = strings(tested).alias("value").to_frame().join(rows_C, on="value", how="left", maintain_order="left")
    rows_N = found["rows"].fill_null(0).to_numpy().astype(np.int64)
    is_missing_N = (found["value"] == "").to_numpy()
    loss_N = row_log_loss(label.astype(np.float64), p_click)
    masks: dict[str, np.ndarray] = {"known": rows_N > 0, "unknown": (rows_N == 0) & ~is_missing_N, "missing": is_missing_N}
    weights = weights or RowWeights(num_rows=len(label))
    classes = {name: _worth(mask, loss_N, label, p_click, weights) for name, mask in masks.items() if mask.any()}
    return classes | _quintiles(rows_N, rows_C["rows"].to_numpy(), num_ids, loss_N, label, p_click, weights)


def _quintiles(
    rows_N: np.ndarray,
    rows_C: np.ndarray,
    num_ids: int | None,
    loss_N: np.ndarray,
    label: np.ndarray,
    p_click: np.ndarray,
    weights: RowWeights,
) -> dict[str, Any]:
    """Classes of known creatives, the least known first: their training rows, and their ids in the vocabulary, which follow on
    each other.
    """
    known_N = rows_N[rows_N > 0]
    if not len(known_N):
        return {}
    count_N = None if weights.count_N is None else weights.count_N[rows_N > 0]
    cuts = np.unique(np.quantile(known_N, np.arange(1, CLASSES) / CLASSES, method="inverted_cdf", weights=count_N))
    bounds = [0, *(int(cut) for cut in cuts if cut < known_N.max()), int(max(known_N.max(), rows_C.max()))]
    found = {}
    for place, (above, most) in enumerate(pairwise(bounds)):
        of_class = rows_C[(rows_C > above) & (rows_C <= most)]
        mask_N = (rows_N > above) & (rows_N <= most)
        first, last = (FIRST_ID + int((rows_C > bound).sum()) for bound in (most, above))
        entry = _worth(mask_N, loss_N, label, p_click, weights) | {"train_rows": [int(of_class.min()), int(of_class.max())]}
        found[f"quintile {place + 1}"] = entry | {"ids": None if num_ids is None else [first, last - 1]}
    return found


def _worth(mask_N: np.ndarray, loss_N: np.ndarray, label: np.ndarray, p_click: np.ndarray, weights: RowWeights) -> dict[str, Any]:
    def mean(values_N: np.ndarray) -> float:
        return round(float(values_N.mean() if weights.is_plain else np.average(values_N, weights=weights.mass_N[mask_N])), 7)

    return {
        "rows": weights.impressions(mask_N),
        "log_loss": mean(loss_N[mask_N]),
        "observed": mean(label[mask_N]),
        "predicted": mean(p_click[mask_N].astype(np.float64)),
        "predicted_log_loss": mean(binary_entropy(p_click[mask_N])),
    }
