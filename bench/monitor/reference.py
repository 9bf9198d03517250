"""The profile, format 2, that a release trained on such rows would have: the reference of simulated months.

Shape letters: D days, C cells.
"""

from typing import Any

import numpy as np
import polars as pl

from contracts.dataset.columns import Column
from contracts.dataset.declaration import Declaration

TOP, BUCKETS, MIN_COUNT = 50, 48, 10
LOOKS = ("brightness", "contrast", "colourfulness", "width", "height")


def profile_of(rows: pl.DataFrame, declaration: Declaration) -> dict[str, Any]:
    """Of rows as `simulated_month` gives them."""
    user_U = rows[_name(declaration.entity)].value_counts()["count"].to_numpy().astype(float)
    columns = [
        c for c in declaration.columns if c.name in rows.columns and c.role in ("categorical", "numeric", "creative", "entity")
    ]
    days = rows["event_at"].dt.date()
    return {
        "format": 2,
        "rows": len(rows),
        "click_rate": float(rows["clicked"].mean()),
        "entities": len(user_U),
        "effective_entities": float(user_U.sum() ** 2 / (user_U**2).sum()),
        "hours": np.bincount(rows["event_at"].dt.hour().to_numpy(), minlength=24).tolist(),
        "columns": {column.name: _column(column, rows[column.name], days) for column in columns},
        "images": _images(rows),
    }


def vocabulary_of(values: pl.Series) -> list[str]:
    """Values that came often enough, the most frequent first."""
    counts = values.cast(pl.String).drop_nulls().alias("value").value_counts().filter(pl.col("count") >= MIN_COUNT)
    return counts.sort(["count", "value"], descending=[True, False])["value"].to_list()


def with_ids(rows: pl.DataFrame, vocabularies: dict[str, list[str]]) -> pl.DataFrame:
    """The rows with what the graph saw of these columns: 0 for unknown, 1 for missing, else 2."""
    ids = [
        pl.when(pl.col(name).is_null()).then(1).otherwise(pl.col(name).is_in(values).cast(pl.UInt32) * 2).alias(f"{name}__id")
        for name, values in vocabularies.items()
    ]
    return rows.with_columns(ids)


def _name(column: Column | None) -> str:
    assert column is not None
    return column.name


def _column(column: Column, values: pl.Series, days: pl.Series) -> dict[str, Any]:
    if column.role == "numeric":
        return _numeric(values, days)
    known = vocabulary_of(values)
    place = {value: number for number, value in enumerate(known[:TOP])}
    texts = values.cast(pl.String)
    code = texts.replace_strict(place, default=TOP, return_dtype=pl.Int64).to_numpy().copy()
    code[~texts.is_in(known).fill_null(False).to_numpy()] = TOP + 1
    code[texts.is_null().to_numpy()] = TOP + 2
    share_C = np.bincount(code, minlength=TOP + 3) / len(code)
    return {
        "kind": "categorical",
        "unknown": float(share_C[TOP + 1]),
        "missing": float(share_C[TOP + 2]),
        "shares": dict(zip(known[:TOP], share_C[: len(place)].tolist(), strict=True)),
        "other": float(share_C[TOP]),
        **_common(code, share_C, days, values),
    }


def _numeric(values: pl.Series, days: pl.Series) -> dict[str, Any]:
    x = values.cast(pl.Float64).drop_nulls().to_numpy()
    edges = np.unique(np.quantile(x, np.arange(1, BUCKETS) / BUCKETS))
    edges = edges[edges > x.min()]
    code = np.searchsorted(edges, values.cast(pl.Float64).fill_null(0.0).to_numpy(), side="right")
    code[values.is_null().to_numpy()] = len(edges) + 1
    share_C = np.bincount(code, minlength=len(edges) + 2) / len(code)
    return {
        "kind": "numeric",
        "unknown": 0.0,
        "missing": float(share_C[-1]),
        "shares": share_C[:-1].tolist(),
        "edges": edges.tolist(),
        **_common(code, share_C, days, values),
    }


def _common(code: np.ndarray, share_C: np.ndarray, days: pl.Series, values: pl.Series) -> dict[str, Any]:
    day = days.rank("dense").to_numpy().astype(int) - 1
    largest = code == share_C.argmax()
    rows_D = np.bincount(day)
    share_D = np.bincount(day, largest) / rows_D
    sampling = float((share_C.max() * (1 - share_C.max()) / rows_D).mean())
    counts = values.drop_nulls().value_counts(sort=True)["count"]
    last = day == day.max()
    before = values.filter(pl.Series(~last)).unique()
    return {
        "day_sd": float(np.sqrt(max(share_D.var(ddof=1) - sampling, 0.0))),
        "head_share": float(counts.head(10).sum() / len(values)),
        "new_rate": float((~values.filter(pl.Series(last)).is_in(before.to_list())).mean()),
    }


def _images(rows: pl.DataFrame) -> dict[str, Any] | None:
    names = [name for name in LOOKS if f"image_{name}" in rows.columns]
    if not names:
        return None
    return {name: [float(rows[f"image_{name}"].quantile(step / 20) or 0.0) for step in range(21)] for name in names}
