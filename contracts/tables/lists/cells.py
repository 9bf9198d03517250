"""The values that stand in the cells of a column with several, one after the other.

Shape letters: N cells, V values of all cells together.
"""

import json
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from contracts.dataset.columns import Column
from contracts.dataset.lists import element_of
from contracts.dataset.source import Format, SourceError
from contracts.tables.chunk import ROW, Chunk
from contracts.tables.parsing import refuse_unreadable
from contracts.tables.text.decoding import MARK, escaped_bytes


@dataclass(frozen=True, kw_only=True)
class Values:
    """The values of N cells."""

    is_missing_N: pl.Series  # does nothing stand in the cell; an empty list is something
    cell_V: np.ndarray  # int64, ascending: the cell that each stands in
    code_V: np.ndarray  # int64: its place in `distinct`
    distinct: pl.Series  # each once, as it came


def values_in(column: Column, cells: pl.Series, fmt: Format) -> Values:
    """The values of a column's cells: lists, or texts with the declared delimiter. Raises SourceError for other cells."""
    is_missing_N, lists = _as_lists(column, cells, fmt)
    length_N = lists.list.len().fill_null(0)
    flat = lists.filter(length_N > 0).explode()
    cell_V = np.repeat(np.arange(len(cells)), length_N.to_numpy())
    if isinstance(flat.dtype, pl.Categorical | pl.Enum | pl.Binary):
        flat = flat.cast(pl.String)
    refuse_unreadable(element_of(column), flat.dtype)
    if flat.null_count():
        cell_V, flat = cell_V[flat.is_not_null().to_numpy()], flat.drop_nulls()
    coded = (flat if len(flat) else flat.cast(pl.String)).to_arrow(compat_level=pl.CompatLevel.oldest()).dictionary_encode()
    code_V = coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return Values(is_missing_N=is_missing_N, cell_V=cell_V, code_V=code_V, distinct=pl.Series(column.name, coded.dictionary))


def _as_lists(column: Column, cells: pl.Series, fmt: Format) -> tuple[pl.Series, pl.Series]:
    """Which cells are missing, and the cells as lists, null for those."""
    if isinstance(cells.dtype, pl.List):
        return cells.is_null(), cells
    if isinstance(cells.dtype, pl.Array):
        return cells.is_null(), cells.arr.to_list()
    if cells.dtype != pl.String and cells.null_count() < len(cells):
        raise SourceError(
            f"column '{column.name}' holds {cells.dtype}, and its role is {column.role}: a cell is a list, or a text with "
            "a delimiter"
        )
    texts = cells.cast(pl.String)
    is_missing_N = texts.is_null() | texts.is_in(["", *map(str, column.missing)]).fill_null(True)
    texts = texts.to_frame("").select(pl.when(~is_missing_N).then(pl.col(""))).to_series()
    if column.delimiter is None:
        if not is_missing_N.all():
            raise SourceError(
                f"column '{column.name}' holds texts such as {texts.drop_nulls()[0][:40]!r}; set its delimiter, what stands "
                "between two values"
            )
        return is_missing_N, pl.Series(column.name, [None] * len(cells), dtype=pl.List(pl.String))
    lists = texts.str.split(column.delimiter)
    return is_missing_N, lists.list.eval(pl.element().str.strip_chars()) if fmt.strip else lists


def with_json_lists(chunk: Chunk, columns: tuple[Column, ...]) -> Chunk:
    """The chunk with those JSON lists as cells that stand in a column with several values and hold no other list."""
    for column in columns:
        found = {row: values for row, name, text in chunk.nested if name == column.name and (values := _plain(text)) is not None}
        if found:
            chunk = _with_lists(chunk.spelled_out([column.name]), column, found)
    return chunk


def _with_lists(chunk: Chunk, column: Column, found: dict[int, list[str | None]]) -> Chunk:
    undecoded = [
        (row, column.name, escaped_bytes(value)) for row, values in found.items() for value in values if value and MARK in value
    ]
    lists: list[list[str | None] | None] = []
    for row, text in chunk.rows.select(ROW, column.name).iter_rows():
        if row in found or text is None or text in ("", *map(str, column.missing)):
            lists.append(found.get(row))
        else:
            lists.append(text.split(column.delimiter) if column.delimiter is not None else [text])
    return replace(
        chunk,
        rows=chunk.rows.with_columns(pl.Series(column.name, lists, dtype=pl.List(pl.String))),
        undecoded=[*chunk.undecoded, *undecoded],
        nested=[cell for cell in chunk.nested if cell[1] != column.name or cell[0] not in found],
    )


def _plain(text: str) -> list[str | None] | None:
    """The values of a JSON list as texts; None for an object, and for a list that holds lists or objects."""
    values: Any = json.loads(text)
    if not isinstance(values, list) or any(isinstance(value, list | dict) for value in values):
        return None
    return [json.dumps(value) if isinstance(value, bool) else value for value in values]
