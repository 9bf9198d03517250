"""What can be said before labels: the mean prediction and the share of rows with creatives that the model does not know, a day.

Nothing here is judged: predictions and new values are judged with the inputs, against chance.
"""

from datetime import date, timedelta
from pathlib import Path

import polars as pl

from lifecycle.monitor.findings import Point, Trend
from lifecycle.monitor.quality.labelled import PREDICTION, QualityColumns, served_files, start_ns
from serving.triton.column_rules import UNKNOWN_ID

DAYS = 31  # that are shown


def early_trends(journal: Path, until: date, columns: QualityColumns) -> list[Trend]:
    """By day of the last month with answers; a trend a release and figure, the oldest point first."""
    days = [_sums(journal, until - timedelta(days=back), columns) for back in reversed(range(DAYS))]
    found = [day for day in days if day is not None]
    if not found:
        return []
    sums = pl.concat(found).sort("day")
    trends = []
    for release in sums["release"].unique().sort():
        own = sums.filter(pl.col("release") == release)
        at = [start_ns(day) for day in own["day"]]
        named = {"mean_prediction": ("p", "mean p_click of all rows that were answered")}
        named |= {"new_creatives": ("unknown", "share of rows")} if own["unknown"].null_count() < len(own) else {}
        for kind, (column, unit) in named.items():
            points = [Point(at_ns=ns, value=value) for ns, value in zip(at, own[column], strict=True)]
            trends.append(Trend(subject=f"release {release}", kind=kind, unit=unit, points=points))
    return trends


def _sums(journal: Path, day: date, columns: QualityColumns) -> pl.DataFrame | None:
    """Means by release of a day's rows; None without any."""
    frames = []
    for path in served_files(journal, day):
        there = columns.creative_id is not None and columns.creative_id in pl.read_parquet_schema(path)
        unknown = (pl.col(columns.creative_id) == UNKNOWN_ID).cast(pl.Float64) if there else pl.lit(None, pl.Float64)  # type: ignore[arg-type]
        frames.append(
            pl.scan_parquet(path, hive_partitioning=False).select(
                "release", pl.col(PREDICTION).cast(pl.Float64).alias("p"), unknown.alias("unknown")
            )
        )
    if not frames:
        return None
    means = pl.concat(frames).group_by("release").agg(pl.col("p").mean(), pl.col("unknown").mean()).collect()
    return means.with_columns(pl.lit(day).alias("day")) if len(means) else None
