"""What was answered, shown and clicked, a file a played day: a day is played when its file is there."""

import io
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from contracts.files import sync, write_whole
from contracts.lifecycle.live import Policy
from contracts.tables.parquet import ParquetRows

ANSWER = {"prediction_id": pl.String, "row": pl.UInt32, "release": pl.Int64, "probability": pl.Float32}
COLUMNS = {"key": pl.String, "page": pl.Int64, "at_ms": pl.Int64, **ANSWER, "shown": pl.Boolean, "clicked": pl.Boolean}
NOTHING = pl.DataFrame(schema=COLUMNS)


class Ledger:
    """The files in a folder; what was read or written of them is kept in memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._known: dict[date, pl.DataFrame] = {}

    def path(self, day: date) -> Path:
        return self.folder / f"{day}.parquet"

    def has(self, day: date) -> bool:
        return self.path(day).is_file()

    def write(self, day: date, rows: pl.DataFrame) -> None:
        """Note the day as played."""
        rows = rows.select(pl.col(name).cast(kind) for name, kind in COLUMNS.items())
        content = io.BytesIO()
        with ParquetRows(content, schema=NOTHING.to_arrow().schema) as writer:
            writer.write(rows)
        write_whole(self.path(day), content.getvalue(), synced=True)
        sync(self.folder)
        self._known[day] = rows

    def read(self, days: list[date]) -> pl.DataFrame:
        """The rows of those of `days` that are played."""
        return pl.concat([NOTHING, *(self._day(day) for day in days if self.has(day))])

    def _day(self, day: date) -> pl.DataFrame:
        if day not in self._known:
            self._known[day] = pl.read_parquet(self.path(day))
        return self._known[day]


def with_outcome(answered: pl.DataFrame, policy: Policy) -> pl.DataFrame:
    """Rows with their answers, `shown` and `clicked`: a shown row is clicked where its luck is below its p_true.

    Of equal probabilities the first row of the page view is shown.
    """
    if policy == "all":
        shown = pl.lit(True)
    else:
        shown = pl.int_range(pl.len()).over("page") == pl.col("probability").arg_max().over("page")
    rows = answered.with_columns(shown=shown)
    return rows.with_columns(clicked=pl.col("shown") & (pl.col("luck") < pl.col("p_true")))


def answered_ms(prediction_ids: pl.Series) -> np.ndarray:
    """When the server answered, by its clock, milliseconds since 1970: the first 48 bits of the id (RFC 9562, version 7)."""
    digits = prediction_ids.str.slice(0, 8) + prediction_ids.str.slice(9, 4)
    return digits.str.to_integer(base=16, dtype=pl.Int64).to_numpy()
