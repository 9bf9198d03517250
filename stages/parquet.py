"""Whole frames as Parquet files that appear whole or not at all."""

from pathlib import Path

import polars as pl

from contracts.tables.parquet import ParquetRows
from stages.files import atomic_path


def write_parquet(path: Path, df: pl.DataFrame) -> None:
    """Write `df`; equal frames give equal bytes, however they lie in memory."""
    with atomic_path(path) as partial, ParquetRows(partial) as writer:
        writer.write(df)
