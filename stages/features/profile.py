"""The reference profile: how each column was distributed on the training split, for drift to be measured against."""

from typing import Any

import numpy as np
import polars as pl

from stages.features.vocabulary import FIRST_ID, MISSING_ID, UNKNOWN_ID, Scale, Vocabulary

TOP_VALUES = 50  # values whose share is kept by name; the others are summed up


def profile(parts: list[Vocabulary | Scale], ids: dict[str, np.ndarray], train: pl.DataFrame, label: str) -> dict[str, Any]:
    """Shares of values or buckets, of unknown and missing, for every column; the click rate; the number of rows."""
    columns = {part.name: _column(part, ids[part.name]) for part in parts}
    return {"rows": len(train), "click_rate": float(train[label].mean()), "columns": columns}


def _column(part: Vocabulary | Scale, ids_N: np.ndarray) -> dict[str, Any]:
    shares = np.bincount(ids_N, minlength=part.num_ids) / len(ids_N)
    common = {"unknown": float(shares[UNKNOWN_ID]), "missing": float(shares[MISSING_ID])}
    if isinstance(part, Scale):
        return {**common, "kind": "numeric", "edges": list(part.edges), "shares": shares[FIRST_ID:].tolist()}
    known = dict(zip(part.values[:TOP_VALUES], shares[FIRST_ID : FIRST_ID + TOP_VALUES].tolist(), strict=True))
    return {**common, "kind": "categorical", "shares": known, "other": float(shares[FIRST_ID + TOP_VALUES :].sum())}
