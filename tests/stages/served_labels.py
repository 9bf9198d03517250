"""The folder that `source.kind: served` reads, made of rows that a run on the data set's own files had found clean."""

from pathlib import Path
from typing import Any

import polars as pl

from contracts.dataset.declaration import Declaration
from stages.settings import check_section

INSTANT = pl.Datetime("ns", "UTC")


def declared_data(data: dict[str, Any]) -> Declaration:
    return check_section("data", data, Declaration)


def journalled(rows: pl.DataFrame, declaration: Declaration) -> pl.DataFrame:
    """Clean rows as the journal's Parquet has them: numbers went through float32, and what no request says is null."""
    columns = []
    for column in declaration.columns:
        cells = rows[column.name]
        if column.role == "numeric":
            whole = column.dtype == "int"
            cells = cells.cast(pl.Float32).cast(pl.Int64 if whole else pl.Float64)
        elif column.dtype == "datetime":
            cells = cells.cast(INSTANT) if column.role == "time" else pl.repeat(None, len(rows), dtype=INSTANT, eager=True)
        elif column.role == "info" or (column.role == "entity" and not column.feature):
            cells = pl.repeat(None, len(rows), dtype=cells.dtype, eager=True)
        columns.append(cells.alias(column.name))
    return pl.DataFrame(columns)


def write_served(folder: Path, declaration: Declaration, clean: Path = Path("data/clean")) -> None:
    """The clean months below `folder`, with their images."""
    for month in sorted(path.parent for path in clean.glob("*/impressions.parquet")):
        target = folder / month.name
        target.mkdir(parents=True)
        journalled(pl.read_parquet(month / "impressions.parquet"), declaration).write_parquet(target / "impressions.parquet")
        pictures = month / "creatives.parquet"
        for name, content in pl.read_parquet(pictures).iter_rows() if pictures.is_file() else ():
            (target / "creatives").mkdir(exist_ok=True)
            (target / "creatives" / f"{name}.png").write_bytes(content)
