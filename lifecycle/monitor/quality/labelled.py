"""Served rows with final labels, a day at a time: what was answered joined with what became of it.

Legend: N rows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl

from contracts.dataset.columns import COLD_START, Column
from contracts.dataset.declaration import Declaration
from lifecycle.feedback.labels import label_files, read_labels
from lifecycle.journal.columns import DAY, ID, OWN, TAKEN
from lifecycle.journal.served import SERVED
from serving.triton.column_rules import MISSING_ID

SLICE = "slice "  # prefix of a column's name
MISSING = "(missing)"
SEEN, NEW = "creative seen in training", "creative new"  # values of the slice cold_start, as the evaluation calls them
KEYS = ["prediction_id", "row"]
PREDICTION = "probability"


@dataclass(frozen=True, kw_only=True)
class QualityColumns:
    """Columns of the journal that quality is looked at by."""

    user: str | None
    creative: str | None
    creative_id: str | None  # the creative's place in the vocabulary
    slices: dict[str, str]  # slice -> column; cold_start is made of creative_id

    @property
    def read(self) -> list[str]:
        found = [self.user, self.creative, self.creative_id, *self.slices.values()]
        return list(dict.fromkeys(name for name in found if name is not None))


def quality_columns(declaration: Declaration, slices: Sequence[str]) -> QualityColumns:
    """Of slices those that are columns of few values; numbers are cut in ranges by the evaluation alone."""
    creative, user = declaration.creative, declaration.entity
    named = {name: declaration.column(name) for name in slices if name != COLD_START}
    return QualityColumns(
        user=None if user is None or not user.feature else served_name(user),
        creative=None if creative is None or not creative.feature else served_name(creative),
        creative_id=None if creative is None else ID.format(creative.name),
        slices={
            name: served_name(c)
            for name, c in named.items()
            if c is not None and c.is_feature and c.role != "numeric" and not c.made_of
        },
    )


def served_name(column: Column) -> str:
    """What the journal's Parquet calls a declared column."""
    return TAKEN.format(column.name) if column.name in {*OWN, PREDICTION} else column.name


def labelled_days(feedback: Path) -> dict[date, list[Path]]:
    """The files of final labels by day of the answers, UTC, oldest first: of all days but the last that has any.

    Labels become final in the order of the answers, so a day is complete when a later one has begun.
    """
    found: dict[date, list[Path]] = {}
    for path in label_files(feedback):
        found.setdefault(date.fromisoformat(path.parent.name.split("=")[1]), []).append(path)
    return {day: found[day] for day in sorted(found)[:-1]}


def start_ns(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000_000_000


def rows_of(journal: Path, feedback: Path, day: date, columns: QualityColumns) -> pl.DataFrame:
    """The day's rows that were answered and have a final label, in order of time.

    Columns: release, arm, at_ns, clicked, p, user and creative (UInt64 hashes, null without one), creative_id
    (UInt32), and a text for each slice.
    """
    labels = read_labels(feedback, start_ns(day), start_ns(day + timedelta(days=1)))
    answered = _served(journal, day, columns)
    return (
        answered.join(labels.select(*KEYS, "clicked"), on=KEYS)
        .select(*_canonical(columns))
        .sort("at_ns", maintain_order=True)
        .collect()
    )


def served_files(journal: Path, day: date) -> list[Path]:
    return sorted((journal / SERVED / f"{DAY}={day}").glob("*/*.parquet"))


def _served(journal: Path, day: date, columns: QualityColumns) -> pl.LazyFrame:
    """The answers of a day that has some; columns that a file lacks are null, those of another type are text."""
    wanted = [*KEYS, "answered_at", "event_at", "release", "arm", PREDICTION, *columns.read]
    frames = []
    for path in served_files(journal, day):
        there = pl.read_parquet_schema(path)
        texts = {*columns.read} - {columns.creative_id}
        frames.append(
            pl.scan_parquet(path, hive_partitioning=False).select(
                (pl.col(name) if name in there else pl.lit(None).alias(name)).cast(pl.String)
                if name in texts or name == "arm"
                else (pl.col(name) if name in there else pl.lit(None, pl.UInt32).alias(name))
                for name in wanted
            )
        )
    return pl.concat(frames)


def _canonical(columns: QualityColumns) -> Iterator[pl.Expr]:
    creative_id = pl.lit(None, pl.UInt32) if columns.creative_id is None else pl.col(columns.creative_id).cast(pl.UInt32)
    yield pl.col("release")
    yield pl.col("arm").fill_null("").alias("arm")
    yield pl.coalesce("event_at", "answered_at").dt.epoch("ns").alias("at_ns")
    yield pl.col("clicked").cast(pl.Int8)
    yield pl.col(PREDICTION).cast(pl.Float64).alias("p")
    for name, column in (("user", columns.user), ("creative", columns.creative)):
        known = pl.lit(False) if column is None else pl.col(column).is_not_null()
        hashed = pl.lit(None, pl.UInt64) if column is None else pl.col(column).hash(0)
        yield pl.when(known).then(hashed).alias(name)
    yield creative_id.alias("creative_id")
    for name, column in columns.slices.items():
        yield pl.col(column).fill_null(MISSING).alias(SLICE + name)
    if columns.creative_id is not None:
        seen = pl.when(creative_id > MISSING_ID).then(pl.lit(SEEN)).otherwise(pl.lit(NEW))
        yield pl.when(creative_id == MISSING_ID).then(pl.lit(MISSING)).otherwise(seen).alias(SLICE + COLD_START)
