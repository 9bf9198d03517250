"""The month's own file, as the team that shows advertisements writes it: rows that were shown with their label, and images."""

import io
from pathlib import Path

import polars as pl

from contracts.files import link_or_copy, write_whole

FILE, IMAGES = "impressions.csv", "creatives"


def write_month_file(folder: Path, rows: pl.DataFrame, ledger: pl.DataFrame, columns: list[str], label: str, images: Path) -> int:
    """Write `folder`/impressions.csv with the declared columns, true values, and the images of what was shown; its rows."""
    shown = ledger.filter("shown").select("key", pl.col("clicked").cast(pl.UInt8).alias(label))
    table = rows.join(shown, on="key", how="inner", maintain_order="left")
    buffer = io.BytesIO()
    table.select([*columns, label]).write_csv(buffer, quote_style="never", datetime_format="%Y-%m-%dT%H:%M:%S")
    (folder / IMAGES).mkdir(parents=True, exist_ok=True)
    for creative in table["creative_id"].unique():
        source, target = images / f"{creative}.png", folder / IMAGES / f"{creative}.png"
        if source.is_file() and not target.exists():
            link_or_copy(source, target)
    write_whole(folder / FILE, buffer.getvalue())
    return len(table)
