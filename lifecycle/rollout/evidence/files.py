"""pairs/ and assigned/ of a rollout's folder: a file for each day, written once, and read together."""

import os
from datetime import date
from pathlib import Path

import polars as pl

from contracts.files import sync
from contracts.tables.parquet import ParquetRows
from lifecycle.rollout.pairs import ASSIGNED_SCHEMA, PAIR_SCHEMA
from lifecycle.rollout.rollout import ASSIGNED, PAIRS

NAME = "day={}.parquet"


def read_pairs(folder: Path) -> pl.DataFrame:
    """PAIR_SCHEMA and the watched columns, in the order of the answers; empty where no day is final yet."""
    return _read(folder / PAIRS, PAIR_SCHEMA)


def read_assigned(folder: Path) -> pl.DataFrame:
    """ASSIGNED_SCHEMA: each routing key where a step saw it for the first time, in that order."""
    found = _read(folder / ASSIGNED, ASSIGNED_SCHEMA)
    return found.unique(["step", "key"], keep="first", maintain_order=True)


def days_written(folder: Path) -> list[date]:
    """Days of which both files are there."""
    names = [{path.name for path in (folder / name).glob(NAME.format("*"))} for name in (PAIRS, ASSIGNED)]
    return sorted(date.fromisoformat(name.split("=")[1].removesuffix(".parquet")) for name in names[0] & names[1])


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


def _read(folder: Path, schema: pl.Schema) -> pl.DataFrame:
    paths = sorted(folder.glob(NAME.format("*")))
    if not paths:
        return pl.DataFrame(schema=schema)
    return pl.concat([pl.read_parquet(path, hive_partitioning=False) for path in paths], how="diagonal")
