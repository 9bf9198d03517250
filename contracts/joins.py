"""Side tables: read whole as strings, and added to every row that has their key."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from contracts.chunk import ROW
from contracts.columns import Column
from contracts.header import SourceError
from contracts.parsing import parsed
from contracts.reading import read_chunks
from contracts.source import Format, Join

KEY = "__key"  # the key as its column's type, so that 12, 12.0 and " 12" meet where it is an int
SHOWN_CHARS = 40  # of a key in a message


def read_side_table(files: list[Path], join: Join) -> pl.DataFrame:
    """The side table as strings under the names that columns give it; rows that are the same count once.

    Raises SourceError if there are no files, if one is not whole or lacks a column, or if the key repeats.
    """
    if not files:
        raise SourceError(f"no file matches the join '{join.files}' below source.path; correct source.joins")
    names = join.format.names or ()
    chunks = [chunk for path in files for chunk in read_chunks(path, join.format, names, frozenset(), any_header=True)]
    table = pl.concat([chunk.spelled_out(chunk.rows.columns).rows for chunk in chunks]).drop(ROW).cast(pl.String)
    broken = sum(len(chunk.ragged) + len(chunk.undecoded) for chunk in chunks)
    if broken:
        raise SourceError(f"{files[0]}: {broken} rows cannot be read; a side table has to be whole")
    left_out = [column.name for column in join.leave_out]
    _refuse_unknown(files[0], table, [*left_out, *join.rename])
    table = table.drop(left_out)
    renamed = [join.rename.get(name, name) for name in table.columns]
    twice = next((name for name, count in Counter(renamed).items() if count > 1), None)
    if twice is not None:
        raise SourceError(f"{files[0]} has two columns '{twice}' after source.joins.rename; choose another name")
    table.columns = renamed
    _refuse_unknown(files[0], table, [join.key])
    table = table.unique(maintain_order=True)
    repeated = table.filter(pl.col(join.key).is_duplicated())
    if repeated.height:
        raise SourceError(
            f"{files[0]} has {join.key}={repeated[join.key][0]!r} more than once; the key of a side table is unique"
        )
    if join.matched is None:
        return table
    if join.matched in renamed:
        raise SourceError(f"{files[0]} has a column '{join.matched}', the name that source.joins.matched gives to a new one")
    return table.with_columns(pl.lit("true").alias(join.matched))


def _refuse_unknown(path: Path, table: pl.DataFrame, names: list[str]) -> None:
    unknown = next((name for name in names if name not in table.columns), None)
    if unknown is not None:
        raise SourceError(f"{path} lacks the column '{unknown}' that source.joins names; it has {', '.join(table.columns)}")


def joined_names(joins: tuple[Join, ...], tables: list[pl.DataFrame]) -> list[str]:
    """Names of the columns that side tables bring. Raises SourceError if two of them bring the same."""
    brought: dict[str, str] = {}
    for join, table in zip(joins, tables, strict=True):
        for name in table.columns:
            if name == join.key:
                continue
            if name in brought:
                raise SourceError(
                    f"side tables '{brought[name]}' and '{join.files}' both have the column '{name}'; "
                    "put it in leave_out of one of the joins, or give it another name with its rename"
                )
            brought[name] = join.files
    return list(brought)


@dataclass
class SideTable:
    """A side table that the rows of one partition are joined with; it counts those that have a match."""

    join: Join
    key: Column
    formats: tuple[Format, Format]  # how the rows write the key, and how the side table does
    table: pl.DataFrame
    num_matched: int = 0
    sample: str | None = None  # a key of the rows
    _typed: pl.DataFrame = field(init=False)  # its key is KEY

    def __post_init__(self) -> None:
        by_type = self.table.with_columns(parsed(self.key, pl.String(), self.formats[1]).alias(KEY)).drop(self.join.key)
        self._typed = by_type.filter(pl.col(KEY).is_not_null())
        repeated = self._typed.filter(pl.col(KEY).is_duplicated())
        if repeated.height:
            raise SourceError(
                f"the side table '{self.join.files}' has {self.join.key}={repeated[KEY][0]!r} more than once as "
                f"{self.key.dtype}; the key of a side table is unique"
            )

    def attach(self, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
        """The rows with the side table's columns, null without a match; and where there is none."""
        name = self.join.key
        keyed = rows.with_columns(parsed(self.key, rows.schema[name], self.formats[0]).alias(KEY))
        matched = keyed[KEY].is_in(self._typed[KEY].implode())  # null where there is no key, which other rules judge
        self.num_matched += int(matched.sum())
        if self.sample is None:
            self.sample = next(iter(rows[name].drop_nulls().head(1).cast(pl.String)), None)
        joined = keyed.join(self._typed, on=KEY, how="left", maintain_order="left").drop(KEY)
        if self.join.matched is not None:
            joined = joined.with_columns(pl.col(self.join.matched).fill_null("false"))
        return joined, ~matched

    def complaint(self) -> str | None:
        """What is wrong if no row at all had a match; None where one had, or where that may be."""
        if self.num_matched or self.join.matched is not None or not self.join.optional:
            return None
        theirs = next(iter(self.table[self.join.key].head(1)), None)
        return (
            f"no row has a match in the side table '{self.join.files}': by {self.join.key} the rows have "
            f"{_short(self.sample)}, the side table has {_short(theirs)}; make the two alike, or take the join out"
        )


def _short(value: str | None) -> str:
    return repr(value if value is None or len(value) <= SHOWN_CHARS else value[:SHOWN_CHARS] + "...")
