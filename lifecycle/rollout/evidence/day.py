"""One day's rows: who answered, what either release says, what became of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from contracts.dataset.columns import COLD_START
from lifecycle.feedback.labels import read_labels
from lifecycle.journal.columns import DAY
from lifecycle.journal.served import SHADOWED
from lifecycle.monitor.quality.labelled import KEYS, PREDICTION, QualityColumns, served_files, start_ns
from lifecycle.rollout.evidence.other import OtherRelease
from lifecycle.rollout.evidence.routed import PLACE, routed_rows
from lifecycle.rollout.pairs import ASSIGNED_SCHEMA, PAIR_SCHEMA, RECORDED, RUN_AGAIN, SLICE
from lifecycle.rollout.rollout import Rollout
from serving.triton.column_rules import MISSING_ID

SEEN, NEW = "creative seen in training", "creative new"  # by the release that answered
HOUR = pl.col("answered_at").dt.truncate("1h")


@dataclass(frozen=True, kw_only=True)
class DayWanted:
    """Of which rollout and day, where it is, and which columns are looked at."""

    rollout: Rollout
    day: date
    journal: Path
    feedback: Path
    store: Path
    columns: QualityColumns


@dataclass(frozen=True, kw_only=True)
class DayFound:
    pairs: pl.DataFrame
    assigned: pl.DataFrame
    labelled: int  # rows with a final label, of the rollout
    lacking: int  # of them, those of which the other release says nothing


def day_of(wanted: DayWanted) -> DayFound:
    """All rows of the rollout's routes that were answered on that day and have a final label, and the keys of all its answers.

    Of the day's labels and shadow work there are the columns that are needed, of its rows a file at a time.
    """
    rollout = wanted.rollout
    others = {number: OtherRelease(wanted.store, number, wanted.journal) for number in (rollout.champion, rollout.challenger)}
    labels, recorded, pairs, assigned = _labels(wanted), _recorded(wanted), [_no_pairs(wanted.columns)], [_no_keys()]
    for path in served_files(wanted.journal, wanted.day):
        rows = routed_rows(path, rollout, wanted.columns)
        if rows is None or rows.is_empty():
            continue
        assigned.append(_first(rows.select(ASSIGNED_SCHEMA.names())))
        low, high = rows["prediction_id"].min(), rows["prediction_id"].max()
        labelled = rows.join(_between(labels, low, high), on=KEYS)
        if not labelled.is_empty():
            said = labelled.join(_between(recorded, low, high), on=KEYS, how="left", maintain_order="left")
            pairs.append(_paired(said, path, wanted, others))
    found = pl.concat(pairs)
    whole = _weighted(found)
    return DayFound(pairs=whole, assigned=_first(pl.concat(assigned)), labelled=found.height, lacking=found.height - whole.height)


def _labels(wanted: DayWanted) -> pl.DataFrame:
    """By prediction id."""
    found = read_labels(wanted.feedback, start_ns(wanted.day), start_ns(wanted.day + timedelta(days=1)))
    return found.select(*KEYS, "clicked").collect().sort(KEYS)


def _recorded(wanted: DayWanted) -> pl.DataFrame:
    """What shadow work said of rows of that day, by prediction id; it may have been done a day later."""
    paths = [
        path
        for day in (wanted.day, wanted.day + timedelta(days=1))
        for path in sorted((wanted.journal / SHADOWED / f"{DAY}={day}").glob("*/*.parquet"))
    ]
    wants = [*KEYS, "release", PREDICTION]
    frames = [pl.read_parquet(path, columns=wants, hive_partitioning=False) for path in paths]
    schema = pl.Schema({"prediction_id": pl.String, "row": pl.UInt32, "release_other": pl.Int64, "p_other": pl.Float64})
    typed = [frame.rename({"release": "release_other", PREDICTION: "p_other"}).cast(schema) for frame in frames]
    return pl.concat([pl.DataFrame(schema=schema), *typed]).unique(KEYS, keep="first", maintain_order=True).sort(KEYS)


def _between(rows: pl.DataFrame, low: Any, high: Any) -> pl.DataFrame:
    """Of rows that are sorted by prediction id those from one to the other: ids grow with time, so they are few."""
    ids = rows["prediction_id"]
    start, end = ids.search_sorted(low, side="left"), ids.search_sorted(high, side="right")
    return rows.slice(start, end - start)


def _first(keys: pl.DataFrame) -> pl.DataFrame:
    """Where each key came first in a step."""
    return keys.sort("answered_at", maintain_order=True).unique(["step", "key"], keep="first", maintain_order=True)


def _paired(rows: pl.DataFrame, path: Path, wanted: DayWanted, others: Mapping[int, OtherRelease]) -> pl.DataFrame:
    """With both probabilities; NaN where one is not known."""
    rollout, release_N = wanted.rollout, rows["release"].to_numpy()
    other_N = np.where(release_N == rollout.champion, rollout.challenger, rollout.champion)
    p_other_N = rows["p_other"].fill_null(np.nan).to_numpy()
    fits_N = (rows["release_other"].fill_null(-1).to_numpy() == other_N) & np.isfinite(p_other_N)
    p_other_N = np.where(fits_N, p_other_N, np.nan)
    for number, other in others.items():
        asked = np.flatnonzero((other_N == number) & ~fits_N)
        p_other_N[asked] = other.probabilities(path, rows[PLACE].to_numpy()[asked])
    p_own_N, by_champion_N = rows[PREDICTION].cast(pl.Float64).to_numpy(), release_N == rollout.champion
    found = rows.with_columns(
        pl.Series("champion", np.where(by_champion_N, p_own_N, p_other_N), dtype=pl.Float64),
        pl.Series("challenger", np.where(by_champion_N, p_other_N, p_own_N), dtype=pl.Float64),
        pl.Series("source", np.where(fits_N, RECORDED, RUN_AGAIN), dtype=pl.Int8),
        pl.lit(1.0).alias("weight"),
        pl.col("fallback").alias("fell_back"),
        _text(wanted.columns.creative, rows.columns).alias("creative"),
        *_slices(wanted.columns, rows.columns),
    )
    typed = [pl.col(name).cast(kind) for name, kind in PAIR_SCHEMA.items()]
    return found.select(*typed, *_slice_names(wanted.columns))


def _weighted(pairs: pl.DataFrame) -> pl.DataFrame:
    """Without rows that lack a probability; those of the same hour, step and arm that are there stand in for them."""
    is_there = pl.col("champion").is_finite() & pl.col("challenger").is_finite()
    cell = [HOUR, pl.col("step"), pl.col("arm")]
    there, all_rows = is_there.sum().over(cell), pl.len().over(cell)
    return pairs.with_columns((all_rows / there).alias("weight")).filter(is_there).sort("answered_at", "prediction_id", "row")


def _slices(columns: QualityColumns, there: Sequence[str]) -> list[pl.Expr]:
    """Texts of the watched columns; null where the file has none."""
    found = [_text(column, there).alias(SLICE + name) for name, column in columns.slices.items()]
    if columns.creative_id is None:
        return found
    seen = pl.lit(None, pl.UInt32) if columns.creative_id not in there else pl.col(columns.creative_id).cast(pl.UInt32)
    known = pl.when(seen > MISSING_ID).then(pl.lit(SEEN)).otherwise(pl.lit(NEW))
    cold = pl.when(seen.is_null() | (seen == MISSING_ID)).then(pl.lit(None, pl.String)).otherwise(known)
    return [*found, cold.alias(SLICE + COLD_START)]


def _text(column: str | None, there: Sequence[str]) -> pl.Expr:
    return pl.col(column).cast(pl.String) if column is not None and column in there else pl.lit(None, pl.String)


def _slice_names(columns: QualityColumns) -> list[str]:
    return [SLICE + name for name in (*columns.slices, *([COLD_START] if columns.creative_id is not None else []))]


def _no_pairs(columns: QualityColumns) -> pl.DataFrame:
    return pl.DataFrame(schema=dict(PAIR_SCHEMA) | dict.fromkeys(_slice_names(columns), pl.String()))


def _no_keys() -> pl.DataFrame:
    return pl.DataFrame(schema=ASSIGNED_SCHEMA)
