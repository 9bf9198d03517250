"""The month's rows beside the answers that were given to rows with the same key, in a DuckDB file that need not fit into memory.

Strings are compared as they are, whole numbers and truth values by value, and numbers as float32, which is what the model takes.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import duckdb
import polars as pl

from contracts.dataset.columns import Column
from contracts.dataset.declaration import Declaration
from lifecycle.journal.served import SERVED
from lifecycle.monitor.quality.labelled import served_name
from lifecycle.monitor.skew.month_file import KEY

TYPES = {"string": "VARCHAR", "int": "BIGINT", "float": "FLOAT", "bool": "BOOLEAN"}
DIFFERENT = "(file_{0} IS DISTINCT FROM served_{0})"


@dataclass(frozen=True, kw_only=True)
class SkewColumn:
    """A declared column that both sides have; `place` names its two columns in the join: file_<place>, served_<place>."""

    column: Column
    place: int

    @property
    def name(self) -> str:
        return self.column.name

    @property
    def kind(self) -> str:
        return "FLOAT" if self.column.role == "numeric" else TYPES[self.column.dtype]

    @property
    def different(self) -> str:
        return DIFFERENT.format(self.place)


@dataclass(frozen=True, kw_only=True)
class JoinedSides:
    database: duckdb.DuckDBPyConnection
    columns: Sequence[SkewColumn]
    absent: Sequence[str]  # columns of the model that the journal does not have as they came
    matched: int  # keys on both sides
    only_file: int
    only_served: int  # keys that were answered between the first and the last answer of a matched one, and are not in the file
    again: int  # answers to a key that was asked about again: the last one counts

    def frame(self, query: str) -> pl.DataFrame:
        """The query's rows."""
        return cast(pl.DataFrame, pl.from_arrow(self.database.sql(query).to_arrow_table()))


@contextmanager
def joined(
    clean: Path, journal: Path, declaration: Declaration, hidden: frozenset[str], folder: Path, memory_mib: int
) -> Iterator[JoinedSides]:
    """`clean` are the month's rows with KEY. Raises ValueError if there are no answers, or none has a key of the file."""
    files = sorted((journal / SERVED).glob("*/*/*.parquet"))
    if not files:
        raise ValueError(f"{journal / SERVED} holds no answers; serve with the journal and run `python -m lifecycle.journal`")
    database = duckdb.connect(str(folder / "join.duckdb"))
    try:
        database.execute(f"SET memory_limit = '{memory_mib}MiB'")
        database.execute(f"SET temp_directory = '{_quoted(folder / 'spill')}'")
        database.execute("SET preserve_insertion_order = false")
        columns, absent = _columns(database, files, declaration, hidden)
        _join(database, clean, files, columns)
        yield JoinedSides(database=database, columns=columns, absent=absent, **_counts(database, journal))
    finally:
        database.close()


def _columns(
    database: duckdb.DuckDBPyConnection, files: Sequence[Path], declaration: Declaration, hidden: frozenset[str]
) -> tuple[list[SkewColumn], list[str]]:
    found = database.execute(f"DESCRIBE SELECT * FROM {_parquet(files)}").fetchall()
    there = {name for name, *_ in found}
    both = [c for c in declaration.features if served_name(c) in there and c.name not in hidden]
    columns = [SkewColumn(column=column, place=place) for place, column in enumerate(both)]
    return columns, [column.name for column in declaration.features if column not in both and not column.made_of]


def _join(database: duckdb.DuckDBPyConnection, clean: Path, files: Sequence[Path], columns: Sequence[SkewColumn]) -> None:
    months = ", ".join(f"{_cast(c, c.name)} AS file_{c.place}" for c in columns)
    answers = ", ".join(f"{_cast(c, served_name(c.column))} AS served_{c.place}" for c in columns)
    database.execute(
        f"CREATE TABLE month AS SELECT {KEY} AS key, {months} FROM read_parquet('{_quoted(clean)}') WHERE {KEY} IS NOT NULL"
    )
    database.execute(
        f"""CREATE TABLE answer AS SELECT * FROM (
            SELECT key, {answers}, answered_at, prediction_id, row AS answer_row, release,
                count(*) OVER (PARTITION BY key) AS times,
                row_number() OVER (PARTITION BY key ORDER BY answered_at DESC, prediction_id DESC, row DESC) AS place
            FROM {_parquet(files)} SEMI JOIN month USING (key)
        ) WHERE place = 1"""
    )
    database.execute("CREATE TABLE both_sides AS SELECT * FROM month JOIN answer USING (key)")
    database.execute(f"CREATE VIEW answered AS SELECT key, answered_at FROM {_parquet(files)} WHERE key IS NOT NULL")


def _cast(column: SkewColumn, name: str) -> str:
    """The value as the encoder sees it: an empty text and NaN are missing."""
    cell = f'"{name.replace(chr(34), chr(34) * 2)}"'
    if column.kind == "VARCHAR":
        return f"nullif(CAST({cell} AS VARCHAR), '')"
    typed = f"TRY_CAST({cell} AS {column.kind})"
    return f"CASE WHEN isnan({typed}) THEN NULL ELSE {typed} + 0 END" if column.kind == "FLOAT" else typed


def _counts(database: duckdb.DuckDBPyConnection, journal: Path) -> dict[str, int]:
    ((matched, again, first, last),) = database.execute(
        "SELECT count(*), coalesce(sum(times - 1), 0), min(answered_at), max(answered_at) FROM both_sides"
    ).fetchall()
    if not matched:
        here, there = (
            [key for (key,) in database.execute(f"SELECT key FROM {table} LIMIT 3").fetchall()] for table in ("month", "answered")
        )
        raise ValueError(
            f"no row of the file was answered: its keys are like {here}, those that callers sent like {there} in {journal}; "
            "callers send the key as the input key, written as the file has it"
        )
    ((month,),) = database.execute("SELECT count(*) FROM month").fetchall()
    ((others,),) = database.execute(
        "SELECT count(DISTINCT key) FROM answered ANTI JOIN month USING (key) WHERE answered_at BETWEEN ? AND ?", [first, last]
    ).fetchall()
    return {"matched": matched, "only_file": month - matched, "only_served": others, "again": int(again)}


def _parquet(files: Sequence[Path]) -> str:
    names = ", ".join(f"'{_quoted(path)}'" for path in files)
    return f"read_parquet([{names}], union_by_name = true, hive_partitioning = false)"


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
