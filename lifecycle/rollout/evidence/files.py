"""pairs/ and assigned/ of a rollout's folder: a file for each day, written once, and read together."""

import os
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import polars as pl

from contracts.files import sync
from contracts.tables.parquet import ParquetRows
from lifecycle.rollout.pairs import ASSIGNED_SCHEMA, PAIR_SCHEMA
from lifecycle.rollout.rollout import ASSIGNED, PAIRS

NAME = "day={}.parquet"
COUNTS = "days.json"  # of each day: labelled rows, and those that lack the other release's probability


def read_pairs(folder: Path, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """PAIR_SCHEMA and the watched columns, or these of them, in the order of the answers; empty where no day is final yet."""
    empty = pl.DataFrame(schema=PAIR_SCHEMA)
    return _read(folder, PAIRS, empty if columns is None else empty.select(columns), columns)


def read_assigned(folder: Path) -> pl.DataFrame:
    """ASSIGNED_SCHEMA: each routing key where a step saw it for the first time, in that order."""
    found = _read(folder, ASSIGNED, pl.DataFrame(schema=ASSIGNED_SCHEMA))
    return found.unique(["step", "key"], keep="first", maintain_order=True)


def days_written(folder: Path) -> list[date]:
    """Days of which both files are there."""
    names = [{path.name for path in (folder / name).glob(NAME.format("*"))} for name in (PAIRS, ASSIGNED)]
    return sorted(date.fromisoformat(name.split("=")[1].removesuffix(".parquet")) for name in names[0] & names[1])


def remove_partial(folder: Path) -> None:
    """What a writer left that was killed. The caller is the only one that writes."""
    for pattern in (f"{PAIRS}/.*.partial", f"{ASSIGNED}/.*.partial", f".{COUNTS}.*.partial"):
        for path in folder.glob(pattern):
            path.unlink()


def write_day(folder: Path, day: date, pairs: pl.DataFrame, assigned: pl.DataFrame) -> None:
    """Whole files, or none; the second one makes the day count."""
    for name, table in ((PAIRS, pairs), (ASSIGNED, assigned)):
        path = folder / name / NAME.format(day)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
        try:
            with ParquetRows(partial) as rows:
                rows.write(table)
            sync(partial)
            os.replace(partial, path)
            sync(path.parent)
        finally:
            partial.unlink(missing_ok=True)


def _read(folder: Path, name: str, empty: pl.DataFrame, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """Of the days that count."""
    wanted = None if columns is None else [*columns]
    paths = [folder / name / NAME.format(day) for day in days_written(folder)]
    frames = [pl.read_parquet(path, columns=wanted, hive_partitioning=False) for path in paths]
    return pl.concat([empty, *frames], how="diagonal") if frames else empty
