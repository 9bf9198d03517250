"""What the pipeline counts so far for the rows of a month's file: over the clean rows of the other months, and the file's own."""

import re
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from contracts.dataset.declaration import Declaration
from contracts.dataset.partitions import in_order, nearest_partition
from contracts.tables.computed.so_far import SoFarColumns, history_of
from contracts.tables.parquet import ParquetRows

CLEAN_DIR = Path("data/clean")  # what the pipeline has of the months


def write_counted(own: Path, given: Path, declaration: Declaration, to: Path) -> None:
    """Write the rows of `own`, clean ones of the file `given`, to `to` with their columns so far.

    The month's partition among the clean ones, if it is there already, counts for nothing: its rows are those of `own`. Raises
    ValueError if there are no clean rows.
    """
    month = nearest_partition(given, re.compile(declaration.source.partition))
    folders = in_order((path.parent for path in CLEAN_DIR.glob("*/impressions.parquet")), declaration.source.order)
    if not folders:
        names = ", ".join(column.name for column in declaration.so_far)
        raise ValueError(
            f"{names} are counted so far over all earlier months, and {CLEAN_DIR} has none; run the pipeline (`make repro`) "
            "where `make skew` runs"
        )
    others = [folder / "impressions.parquet" for folder in folders if folder.name != month]
    counted = SoFarColumns(declaration, history_of([*others, own], declaration))
    with ParquetRows(to) as writer:
        for batch in pq.ParquetFile(own).iter_batches():
            rows = pl.DataFrame(pl.from_arrow(batch))
            writer.write(rows.with_columns(counted.of(rows)))
