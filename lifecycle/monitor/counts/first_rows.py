"""A profile made of a release's first answers, for releases that were exported without one."""

from typing import Any

import numpy as np
import polars as pl

from contracts.dataset.declaration import Declaration
from lifecycle.monitor.counts.plan import is_later_slot

TOP, BUCKETS = 50, 20


def profile_of_rows(rows: pl.DataFrame, declaration: Declaration) -> dict[str, Any]:
    """In the format of the release's own, of columns that the rows have."""
    columns = {}
    for column in declaration.columns:
        source = f"sent_{column.name}" if f"sent_{column.name}" in rows.columns else column.name
        if (
            source not in rows.columns
            or column.role not in ("categorical", "numeric", "creative", "entity")
            or is_later_slot(column)
        ):
            continue
        known = f"{column.name}__id"
        unknown = float((rows[known] == 0).fill_null(False).to_numpy().mean()) if known in rows.columns else 0.0
        columns[column.name] = (_numeric if column.role == "numeric" else _categorical)(rows[source]) | {"unknown": unknown}
    return {"format": 2, "rows": len(rows), "effective_entities": None, "columns": columns, "images": None}


def _numeric(values: pl.Series) -> dict[str, Any]:
    x_N = values.cast(pl.Float64).to_numpy()
    given = x_N[~np.isnan(x_N)]
    edges = np.unique(np.quantile(given, np.arange(1, BUCKETS) / BUCKETS)) if len(given) else np.zeros(1)
    counts = np.bincount(np.searchsorted(edges, given, side="right"), minlength=len(edges) + 1)
    missing = 1 - len(given) / max(len(x_N), 1)
    shares = counts / max(len(x_N), 1)
    return {"kind": "numeric", "missing": missing, "edges": edges.tolist(), "shares": shares.tolist(), "other": 0.0}


def _categorical(values: pl.Series) -> dict[str, Any]:
    texts = values.cast(pl.String).replace("", None)
    counts = texts.drop_nulls().alias("value").value_counts().sort(["count", "value"], descending=[True, False])
    share = counts["count"] / max(len(texts), 1)
    return {
        "kind": "categorical",
        "missing": float(texts.null_count() / max(len(texts), 1)),
        "shares": dict(zip(counts["value"].head(TOP).to_list(), share.head(TOP).to_list(), strict=True)),
        "other": float(share[TOP:].sum()),
        "head_share": float(share.head(10).sum()),
    }
