"""A journal in Parquet and final labels, made of page views that a test names."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from lifecycle.feedback.labels import LABEL_SCHEMA
from lifecycle.journal.columns import OWN

ROUTE = 7  # digest of TEST's route
DAY_ONE = datetime(2027, 3, 1, tzinfo=UTC)
AT = pl.Datetime("ns", "UTC")
SCHEMA = {
    "prediction_id": pl.String,
    "row": pl.UInt32,
    "answered_at": AT,
    "event_at": AT,
    "request_id": pl.String,
    "route": pl.UInt64,
    "arm": pl.String,
    "fallback": pl.Boolean,
    "routing_key": pl.String,
    "user_id": pl.String,
    "price": pl.Float64,
}
assert {*SCHEMA} - {"user_id", "price"} <= {*OWN}


def view(name: str, key: str | None, arm: str | None = "champion", rows: int = 2, day: float = 0.5, **said) -> pl.DataFrame:
    """A page view of so many rows, `day` days after DAY_ONE."""
    own = {
        "prediction_id": name,
        "answered_at": DAY_ONE + timedelta(days=day),
        "event_at": None,
        "request_id": None,
        "route": ROUTE,
        "arm": arm,
        "fallback": False,
        "routing_key": key,
        "user_id": key,
        "price": 1.0,
    }
    return pl.DataFrame([own | said | {"row": row} for row in range(rows)], schema=SCHEMA)


def write_views(folder: Path, *views: pl.DataFrame, without: tuple[str, ...] = (), name: str = "a") -> None:
    """A file for each hour of the answers."""
    rows = pl.concat(views).with_columns(pl.col("answered_at").dt.truncate("1h").alias("hour"))
    for (hour,), one in rows.partition_by("hour", as_dict=True).items():
        path = folder / f"journal/served/answered_day={hour:%Y-%m-%d}/answered_hour={hour:%H}/{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        one.drop("hour", *without).write_parquet(path)


def write_labels(folder: Path, clicked: dict[tuple[str, int, int], int], last_day: int = 1) -> None:
    """By prediction, row and day; a day after `last_day` has begun, so that all until it are final."""
    schema = pl.from_arrow(LABEL_SCHEMA.empty_table()).schema
    by_day: dict[int, list[tuple[str, int, int]]] = {day: [] for day in range(last_day)} | {last_day: [("later", 0, 0)]}
    for (name, row, day), label in clicked.items():
        by_day[day].append((name, row, label))
    for day, found in by_day.items():
        at = DAY_ONE + timedelta(days=day, hours=12)
        rows = [
            {
                "prediction_id": name,
                "row": row,
                "answered_at": at,
                "release": 12,
                "shown_at": at,
                "clicked": label,
                "final_at": at,
            }
            for name, row, label in found
        ]
        path = folder / f"feedback/labels/answered_day={at:%Y-%m-%d}/part-0.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pl.DataFrame(rows, schema=schema).write_parquet(path)
