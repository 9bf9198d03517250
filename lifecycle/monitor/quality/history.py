"""The days before a look, a few numbers of each: clicks and predictions by slice, and the click rate of each creative until then.

Legend: N rows.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date

import polars as pl

from lifecycle.monitor.quality.labelled import SLICE

ALL = ""  # slice of all rows
BASELINE = "baseline"  # column: the smoothed click rate of the row's creative


@dataclass(frozen=True, kw_only=True)
class DaySums:
    """Of the rows of one day, release and slice value."""

    day: date
    clicks: float
    predicted: float


@dataclass(kw_only=True)
class History:
    """What is kept of days, added in their order."""

    prior_rows: float
    sums: dict[tuple[int, str, str], list[DaySums]] = field(default_factory=lambda: defaultdict(list))  # release, slice, value
    rates: pl.DataFrame = field(
        default_factory=lambda: pl.DataFrame(schema={"creative": pl.UInt64, "clicks": pl.Int64, "rows": pl.Int64})
    )

    def add(self, day: date, frame: pl.DataFrame) -> pl.DataFrame:
        """The day's rows with a baseline that knows only the days before: what would have been known when they were answered."""
        with_baseline = self._predicted(frame)
        for name in (ALL, *(name for name in frame.columns if name.startswith(SLICE))):
            keys = ["release", *([name] if name else [])]
            found = frame.group_by(keys).agg(pl.col("clicked").cast(pl.Int64).sum(), pl.col("p").sum())
            for release, *value, clicks, predicted in found.iter_rows():
                key = release, name.removeprefix(SLICE), value[0] if value else ALL
                self.sums[key].append(DaySums(day=day, clicks=clicks, predicted=predicted))
        today = frame.group_by("creative").agg(
            pl.col("clicked").cast(pl.Int64).sum().alias("clicks"), rows=pl.len().cast(pl.Int64)
        )
        self.rates = pl.concat([self.rates, today]).group_by("creative").sum()
        return with_baseline

    def _predicted(self, frame: pl.DataFrame) -> pl.DataFrame:
        """(clicks + prior x mean rate) / (rows + prior) of the creative; null where nothing is known yet."""
        clicks, rows = int(self.rates["clicks"].sum()), int(self.rates["rows"].sum())
        if not rows or not clicks:
            return frame.with_columns(pl.lit(None, pl.Float64).alias(BASELINE))
        known = self.rates.filter(pl.col("creative").is_not_null())
        smoothed = (pl.col("clicks").fill_null(0) + self.prior_rows * clicks / rows) / (
            pl.col("rows").fill_null(0) + self.prior_rows
        )
        joined = frame.join(known, on="creative", how="left", maintain_order="left")
        return joined.with_columns(smoothed.alias(BASELINE)).drop("clicks", "rows")
