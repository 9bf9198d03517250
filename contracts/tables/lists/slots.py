"""Columns with several values as their slots, a value each, and what the contract finds about the values.

A sequence has its newest value in the first slot, so that a slot says how long ago a value was. A set has its values once each
and sorted, so that the same set is the same slots in whatever order it was written.
Shape letters: N cells, V values of all cells together, L slots.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from contracts.dataset.columns import Column
from contracts.dataset.lists import element_of, slot_names
from contracts.dataset.source import Format
from contracts.tables.chunk import ROW
from contracts.tables.lists.cells import Values, values_in
from contracts.tables.parsing import dtype_of
from contracts.tables.rejected import BROKEN

# typed columns, and the places of the cells that cannot be read and of those that break a rule
Examine = Callable[[pl.DataFrame, tuple[Column, ...]], tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]]
PLACED = {"cell": pl.UInt32, "rule": pl.String, "value": pl.String}  # a broken value, and the cell that it stands in


@dataclass(kw_only=True)
class ChunkSlots:
    """The slots of a chunk's columns with several values."""

    cells: list[pl.Series] = field(default_factory=list)  # of columns that are spelled out
    places: list[pl.Series] = field(default_factory=list)  # of the others: places in `values`
    values: list[pl.Series] = field(default_factory=list)
    broken: list[pl.DataFrame] = field(default_factory=list)  # BROKEN
    texts: list[tuple[int, str, str]] = field(default_factory=list)  # row number, column and text of each broken value

    def add(
        self, column: Column, rows: pl.DataFrame, distinct: pl.DataFrame, fmt: Format, nullable: bool, examine: Examine
    ) -> None:
        """Take a column of `rows`, or of `distinct` where its cells repeat."""
        repeats = column.name in distinct.columns
        slots, placed = slots_of_cells(column, (distinct if repeats else rows)[column.name], fmt, nullable, examine)
        (self.values if repeats else self.cells).extend(slots)
        if repeats:
            self.places += [rows[column.name].alias(slot.name) for slot in slots]
        if len(placed):
            cell = rows[column.name] if repeats else pl.int_range(len(rows), dtype=pl.UInt32, eager=True)
            found = pl.DataFrame({"row": rows[ROW], "cell": cell}).join(placed, on="cell", maintain_order="left_right")
            self.broken.append(
                found.select(pl.col("row").cast(pl.UInt32), column=pl.lit(column.name), rule="rule").select(list(BROKEN))
            )
            self.texts += [(row, column.name, text) for row, text in found.drop_nulls("value").select("row", "value").iter_rows()]


def slots_of_cells(
    column: Column, cells: pl.Series, fmt: Format, nullable: bool, examine: Examine
) -> tuple[list[pl.Series], pl.DataFrame]:
    """The slots of the cells, typed, and PLACED of values that the column does not allow and of cells that lack one."""
    values = values_in(column, cells, fmt)
    element = element_of(column)
    typed, *found = examine(values.distinct.to_frame(), (element,))
    broken = pl.concat([frame.select(list(BROKEN)) for frame in found])
    is_bad_U = np.zeros(len(values.distinct), dtype=bool)
    is_bad_U[broken["row"].to_numpy()] = True
    placed = _placed(values, broken, is_bad_U) if len(broken) else pl.DataFrame(schema=PLACED)
    if not nullable:
        absent = pl.DataFrame({"cell": values.is_missing_N.arg_true().cast(pl.UInt32)})
        placed = pl.concat([placed, absent.with_columns(rule=pl.lit("not_null"), value=pl.lit(None, pl.String))])
    known = typed[column.name].set(pl.Series(is_bad_U), None) if is_bad_U.any() else typed[column.name]
    place_NL = chosen(column, known, values, len(cells))
    names = slot_names(column.name, column.longest or 0)
    return [_slot(name, known, place_NL[:, i], column) for i, name in enumerate(names)], placed


def _placed(values: Values, broken: pl.DataFrame, is_bad_U: np.ndarray) -> pl.DataFrame:
    is_bad_V = is_bad_U[values.code_V]
    bad = pl.DataFrame({"cell": values.cell_V[is_bad_V].astype(np.uint32), "code": values.code_V[is_bad_V].astype(np.uint32)})
    joined = bad.join(broken.select(pl.col("row").alias("code"), "rule"), on="code", maintain_order="left_right")
    texts = values.distinct.gather(joined["code"]).cast(pl.String)
    return joined.with_columns(value=texts).select(list(PLACED)).unique(["cell", "rule"], keep="first", maintain_order=True)


def chosen(column: Column, known: pl.Series, values: Values, num_cells: int) -> np.ndarray:
    """Which of `known`, by place, stands in each slot, int64 [N, L]; -1 for none."""
    is_there_V = known.is_not_null().to_numpy()[values.code_V]
    cell_V, code_V = values.cell_V[is_there_V], values.code_V[is_there_V]
    if column.role == "set":
        rank_V = (known.rank("dense") - 1).to_numpy()[code_V].astype(np.int64)  # two spellings of a value have one rank
        order = np.lexsort((rank_V, cell_V))
        cell_V, code_V, rank_V = cell_V[order], code_V[order], rank_V[order]
        is_first_V = np.append(True, (np.diff(cell_V) != 0) | (np.diff(rank_V) != 0))[: len(cell_V)]
        cell_V, code_V = cell_V[is_first_V], code_V[is_first_V]
    length_N = np.bincount(cell_V, minlength=num_cells)
    position_V = np.arange(len(cell_V)) - (np.cumsum(length_N) - length_N)[cell_V]
    longest = column.longest or 0
    if column.role == "set":
        slot_V = position_V
    elif column.end == "first":
        slot_V = np.where(position_V < longest, np.minimum(length_N, longest)[cell_V] - 1 - position_V, longest)
    else:
        slot_V = length_N[cell_V] - 1 - position_V
    is_kept_V = slot_V < longest
    place_NL = np.full((num_cells, longest), -1, dtype=np.int64)
    place_NL[cell_V[is_kept_V], slot_V[is_kept_V]] = code_V[is_kept_V]
    return place_NL


def _slot(name: str, known: pl.Series, place_N: np.ndarray, column: Column) -> pl.Series:
    if not len(known):
        return pl.Series(name, [None] * len(place_N), dtype=dtype_of(column))
    places = pl.Series(place_N).to_frame("").select(pl.when(pl.col("") >= 0).then(pl.col(""))).to_series()
    return known.gather(places.cast(pl.UInt32)).alias(name)
