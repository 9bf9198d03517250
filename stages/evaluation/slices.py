"""Slices of the test rows: which columns they come from, and which rows belong to which value.

Every row is in exactly one value of each slice, so that the rows of a slice add up to the test set.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl

from contracts.dataset.columns import COLD_START, Column, has_cold_start

MAX_AUTO_SLICES = 4
MISSING = "(missing)"


@dataclass(frozen=True, kw_only=True)
class Slice:
    """One way to cut the test rows: `values[codes[i]]` is the value of row i."""

    name: str
    codes: np.ndarray  # int32 [N]
    values: tuple[str, ...]


def auto_slices(test_df: pl.DataFrame, columns: tuple[Column, ...], max_values: int) -> tuple[str, ...]:
    """The first categorical columns with 2 to `max_values` values in the test rows, and cold_start if it exists."""
    few = [
        column.name
        for column in columns
        if column.role == "categorical" and column.slot_of is None and 2 <= test_df[column.name].n_unique() <= max_values
    ]
    return (*few[:MAX_AUTO_SLICES], *([COLD_START] if has_cold_start(columns) else []))


def build_slice(
    name: str,
    test_df: pl.DataFrame,
    columns: tuple[Column, ...],
    seen_creatives: pl.Series | None,
    max_values: int,
    count_N: np.ndarray | None = None,
) -> Slice:
    """The slice `name`; `seen_creatives` holds the creatives of the train split and is needed by cold_start only. Row i stands
    for `count_N[i]` impressions.
    """
    if name == COLD_START and has_cold_start(columns):
        creative = next(column.name for column in columns if column.role == "creative")
        assert seen_creatives is not None
        return cold_start_slice(test_df[creative], seen_creatives)
    role = next(column.role for column in columns if column.name == name)
    values = test_df[name]
    if role == "numeric" and values.drop_nulls().n_unique() > 8:
        return quartile_slice(values, count_N)
    return value_slice(values, max_values, count_N)


def cold_start_slice(creative: pl.Series, seen_creatives: pl.Series) -> Slice:
    """Rows whose creative has training rows, whose creative has none, and rows without a creative."""
    seen = creative.is_in(seen_creatives.drop_nulls().unique().implode()).to_numpy()
    missing = creative.is_null().to_numpy()
    codes = np.where(missing, 2, np.where(seen, 0, 1))
    return _without_empty(COLD_START, codes, ["creative seen in training", "creative new", MISSING])


def quartile_slice(values: pl.Series, count_N: np.ndarray | None = None) -> Slice:
    """Four ranges of a numeric column of about equal size; equal numbers stay together."""
    numbers = values.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    known = numbers[np.isfinite(numbers)]
    known_count = None if count_N is None else count_N[np.isfinite(numbers)]
    cuts = np.unique(np.quantile(known, [0.25, 0.5, 0.75], method="inverted_cdf", weights=known_count))
    codes = np.where(np.isfinite(numbers), np.searchsorted(cuts, numbers, side="left"), cuts.size + 1)
    edges = [f"{cut:.6g}" for cut in cuts]
    names = [f"≤ {edges[0]}"]
    names += [f"{low} to {high}" for low, high in pairwise(edges)]
    return _without_empty(values.name, codes, [*names, f"> {edges[-1]}", MISSING])


def value_slice(values: pl.Series, max_values: int, count_N: np.ndarray | None = None) -> Slice:
    """One slice a value; the rarest values beyond `max_values` are pooled. Numbers ascend, texts by number of rows."""
    text = values.cast(pl.String).fill_null(MISSING)
    rows = pl.Series(np.ones(len(text)) if count_N is None else count_N, dtype=pl.Float64)
    counts = pl.DataFrame({"value": text, "rows": rows}).group_by("value").agg(pl.col("rows").sum())
    counts = counts.sort(["rows", "value"], descending=[True, False])
    names = counts["value"].to_list()
    kept = names if len(names) <= max_values else names[: max_values - 1]
    if values.dtype.is_numeric():
        kept = sorted(kept, key=lambda name: float("inf") if name == MISSING else float(name))
    others = f"({len(names) - len(kept)} other values)"
    lookup = pl.DataFrame({"value": kept, "code": np.arange(len(kept), dtype=np.int32)})
    coded = text.alias("value").to_frame().join(lookup, on="value", how="left", maintain_order="left")
    codes = coded["code"].fill_null(len(kept)).to_numpy()
    return _without_empty(values.name, codes, [*kept, others])


def _without_empty(name: str, codes: np.ndarray, values: list[str]) -> Slice:
    """The slice without the values that no row has."""
    used, compact = np.unique(codes, return_inverse=True)
    return Slice(name=name, codes=compact.astype(np.int32), values=tuple(values[code] for code in used))
