"""Ratios, differences and crosses of columns of the same row: the second method beside the nodes of `encoder.onnx`.

Numbers are computed as float32, as the model has them. What has no finite value, because one of the two is missing, the divisor
is 0 or the result is beyond float32, is missing. A cross is its values' texts with `|` between them; `\\` stands before a `|` and
before a `\\` of a value, so that no two pairs of values are one text.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
import polars as pl

from contracts.dataset.columns import Column
from contracts.tables.clean_rows import CleanRows

BETWEEN, ESCAPE = "|", "\\"
ColumnOf = Callable[[str], pl.Series]  # a typed column by its name


def with_computed(rows: CleanRows, columns: Iterable[Column]) -> CleanRows:
    """The rows, and those of `columns` that are computed of others."""
    made = [computed(column, rows.column) for column in columns if column.made_of]
    return replace(rows, cells=rows.cells.with_columns(made)) if made else rows


def computed(column: Column, column_of: ColumnOf) -> pl.Series:
    """The column's values, typed, null where they are missing."""
    values = [column_of(name) for name in column.made_of]
    return crossed(values).alias(column.name) if column.cross else _number(column, *map(_float32, values)).alias(column.name)


def crossed(values: list[pl.Series]) -> pl.Series:
    """The columns' values together as texts; null where one is missing."""
    texts = pl.DataFrame([series.alias(str(place)) for place, series in enumerate(values)])
    return texts.select(pl.concat_str([_escaped(pl.col(name)) for name in texts.columns], separator=BETWEEN)).to_series()


def _escaped(value: pl.Expr) -> pl.Expr:
    text = value.cast(pl.String)
    for mark in (ESCAPE, BETWEEN):
        text = text.str.replace_all(mark, ESCAPE + mark, literal=True)
    return pl.when(text != "").then(text)


def _float32(values: pl.Series) -> np.ndarray:
    return values.cast(pl.Float32).fill_null(float("nan")).to_numpy()


def _number(column: Column, first_N: np.ndarray, second_N: np.ndarray) -> pl.Series:
    with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
        found_N = first_N / second_N if column.ratio else first_N - second_N
    return pl.Series(np.where(np.isfinite(found_N), found_N, np.nan).astype(np.float64)).fill_nan(None)
