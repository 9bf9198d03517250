"""Rows of a file on their way through the contract. A column that repeats itself holds each of its values once, so that
each is parsed and checked once.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np
import polars as pl
import pyarrow as pa

from contracts.dataset.source import SourceError
from contracts.dataset.unfold import ImpressionLists

ROW = "__row"  # number of the row in its file, the first is 1
MIN_REPEATS = 8  # rows for each distinct value, from which on a column counts as one that repeats itself


@dataclass
class Chunk:
    """Some rows of one file. Text cells are strings; a cell that could not be decoded is null in `rows`."""

    rows: pl.DataFrame  # the file's columns and ROW; a column of `distinct` holds the places of its values there
    distinct: pl.DataFrame = field(default_factory=pl.DataFrame)  # shorter columns are filled up with their first value
    ragged: list[tuple[int, str]] = field(default_factory=list)  # row number and line, cells not as many as columns
    undecoded: list[tuple[int, str, str]] = field(default_factory=list)  # row number, column, escaped text
    nested: list[tuple[int, str, str]] = field(default_factory=list)  # row number, column, text: a cell that holds others
    line_rule: str = "columns"  # that the lines in `ragged` break
    early: frozenset[str] = frozenset()  # columns that began after these rows: they may be missing here
    origin: np.ndarray | None = None  # where rows are impressions out of lists: by their number that of the file's row

    def __len__(self) -> int:
        return len(self.rows) + len(self.ragged)

    def spelled_out(self, names: Iterable[str]) -> "Chunk":
        """The chunk with the cells of `names` themselves in `rows`."""
        known = [name for name in names if name in self.distinct.columns]
        rows = self.rows.with_columns(self.distinct[name].gather(self.rows[name]) for name in known)
        return replace(self, rows=rows, distinct=self.distinct.drop(known))

    def without(self, names: Iterable[str]) -> "Chunk":
        left_out = set(names)
        return replace(
            self,
            rows=self.rows.drop(left_out & set(self.rows.columns)),
            distinct=self.distinct.drop(left_out & set(self.distinct.columns)),
            undecoded=[cell for cell in self.undecoded if cell[1] not in left_out],
            nested=[cell for cell in self.nested if cell[1] not in left_out],
        )

    def unfolded(self, lists: ImpressionLists, label: str) -> "Chunk":
        """The chunk with a row for each impression; ROW counts these from 0, and `origin` says from which row they are.

        The list's column keeps the impression as it was written; a list without one is a row with nothing there.
        """
        chunk = self.spelled_out([lists.column])
        cells = _impressions(chunk.rows[lists.column], lists)
        places = pl.int_ranges(1, pl.col(lists.column).list.len() + 1).alias(lists.position)
        rows = chunk.rows.with_columns(cells).with_columns(places).explode(lists.column, lists.position)
        origin, ragged = rows[ROW].to_numpy(), [row for row, _ in chunk.ragged]

        def at_first(cells: list[tuple[int, str, str]]) -> list[tuple[int, str, str]]:
            places = np.searchsorted(origin, [row for row, *_ in cells])
            return [(int(place), name, text) for place, (_, name, text) in zip(places, cells, strict=True)]

        parts = pl.col(lists.column).str.split_exact(lists.before_label, 1).struct
        return replace(
            chunk,
            rows=rows.with_columns(
                parts.field("field_0").str.strip_chars().alias(lists.item),
                parts.field("field_1").str.strip_chars().alias(label),
                pl.int_range(pl.len(), dtype=pl.UInt32).alias(ROW),
            ),
            ragged=[(len(rows) + place, line) for place, (_, line) in enumerate(chunk.ragged)],
            undecoded=at_first(chunk.undecoded),
            nested=at_first(chunk.nested),
            origin=np.concatenate([origin, ragged]).astype(np.uint32),
        )

    def in_file(self, found: pl.DataFrame, name: str) -> pl.DataFrame:
        """`found` with the numbers of the file's rows in column `name`, in their order."""
        if self.origin is None:
            return found
        return found.with_columns(pl.Series(name, self.origin[found[name].to_numpy()])).sort(name, maintain_order=True)

    def decoded(self) -> "Chunk":
        """The chunk with bytes, as old writers of Parquet leave texts, as texts; those that are no UTF-8 are undecoded."""
        rows, found = self.rows, list(self.undecoded)
        for name in rows.select(pl.col(pl.Binary)).columns:
            text = pl.Series(name, [_utf8(cell) for cell in rows[name]], dtype=pl.String)
            broken = text.is_null() & rows[name].is_not_null()
            found += [(row, name, str(cell)[2:-1]) for row, cell in rows.filter(broken).select(ROW, name).rows()]
            rows = rows.with_columns(text)
        return replace(self, rows=rows, undecoded=found)


def _impressions(cells: pl.Series, lists: ImpressionLists) -> pl.Series:
    """What stands in each list, as texts; an empty one where nothing does."""
    if cells.dtype == pl.List(pl.String):
        found = pl.col(cells.name).list.eval(pl.element().str.strip_chars())
    elif cells.dtype != pl.String:
        raise SourceError(f"column '{cells.name}' holds {cells.dtype}, and lists of impressions are texts or lists of texts")
    elif lists.between.isspace():
        found = pl.col(cells.name).str.extract_all(r"\S+")
    else:
        found = pl.col(cells.name).str.split(lists.between).list.eval(pl.element().str.strip_chars())
    nothing = pl.lit(pl.Series([[""]], dtype=pl.List(pl.String)))
    return cells.to_frame().select(pl.when(found.list.len() > 0).then(found).otherwise(nothing)).to_series().alias(cells.name)


def _utf8(cell: bytes | None) -> str | None:
    try:
        return None if cell is None else cell.decode()
    except UnicodeDecodeError:
        return None


def repeating(sample: pa.RecordBatch) -> frozenset[str]:
    """Names of the columns that repeat themselves in `sample`."""
    columns = zip(sample.schema.names, sample.columns, strict=True)
    return frozenset(name for name, cells in columns if repeats(len(cells.unique()), len(cells)))


def repeats(num_distinct: int, num_rows: int) -> bool:
    return num_distinct * MIN_REPEATS <= num_rows


def gathered(batches: Iterable[pa.RecordBatch], num_rows: int) -> Iterator[list[pa.RecordBatch]]:
    """The batches by so many rows or more, the last by what is left."""
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        waiting.append(batch)
        if sum(map(len, waiting)) >= num_rows:
            yield waiting
            waiting = []
    if waiting:
        yield waiting


def chunk_of(table: pa.Table) -> Chunk:
    """A chunk without row numbers; the columns read as dictionaries are those that repeat themselves."""
    values, arrays = [], []
    for column in table.columns:
        if pa.types.is_dictionary(column.type):
            pieces = column.unify_dictionaries().chunks
            distinct = pl.Series(pieces[0].dictionary)
            column = pa.chunked_array([piece.indices for piece in pieces]).cast(pa.uint32())
            if column.null_count:  # a value as others are
                column = pa.chunked_array([_filled(piece, len(distinct)) for piece in column.chunks])
                distinct = distinct.extend_constant(None, 1)
            values.append(distinct)
        arrays.append(column)
    names = [f"{i}" for i in range(len(arrays))]
    rows = cast(pl.DataFrame, pl.from_arrow(pa.table(arrays, names)))
    rows.columns = table.schema.names  # Polars renames a column without a name, such as pandas writes
    return Chunk(rows=rows, distinct=_filled_up(values, [f.name for f in table.schema if pa.types.is_dictionary(f.type)]))


def _filled(places: pa.Array, missing: int) -> pa.Array:
    return pl.Series(places).fill_null(missing).to_arrow()  # Arrow's fill_null imports pandas


def _filled_up(columns: list[pl.Series], names: list[str]) -> pl.DataFrame:
    height = max(map(len, columns), default=0)
    filled = pl.DataFrame(
        [cells.extend_constant(cells.first(), height - len(cells)).alias(f"{i}") for i, cells in enumerate(columns)]
    )
    filled.columns = names  # as above
    return filled
