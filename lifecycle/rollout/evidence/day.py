"""One day's rows: who answered, what either release says, what became of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from contracts.dataset.columns import COLD_START
from lifecycle.feedback.labels import read_labels
from lifecycle.journal.columns import DAY, Kind
from lifecycle.journal.served import SHADOWED
from lifecycle.monitor.quality.labelled import KEYS, PREDICTION, QualityColumns, served_files, start_ns
from lifecycle.replay.batches import Writing
from lifecycle.replay.find import kept_about
from lifecycle.replay.release import Released
from lifecycle.rollout.evidence.other import OtherRelease
from lifecycle.rollout.pairs import (
    ASSIGNED_SCHEMA,
    PAIR_SCHEMA,
    RECORDED,
    ROLE_CHALLENGER,
    ROLE_CHAMPION,
    RUN_AGAIN,
    SLICE,
    key_hash,
)
from lifecycle.rollout.rollout import Rollout
from serving.triton.column_rules import MISSING_ID

SEEN, NEW = "creative seen in training", "creative new"  # by the release that answered
ROLES = {"champion": ROLE_CHAMPION, "challenger": ROLE_CHALLENGER}
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
    """All rows of the rollout's routes that were answered on that day and have a final label, and the keys of all its answers."""
    releases = (wanted.rollout.champion, wanted.rollout.challenger)
    others = {number: OtherRelease(wanted.store, number, wanted.journal) for number in releases}
    labels = read_labels(wanted.feedback, start_ns(wanted.day), start_ns(wanted.day + timedelta(days=1))).select(*KEYS, "clicked")
    recorded, pairs, assigned = _recorded(wanted), [], []
    for path in served_files(wanted.journal, wanted.day):
        rows = _of_rollout(pl.read_parquet(path, hive_partitioning=False), wanted)
        if rows.is_empty():
            continue
        assigned.append(rows.select(ASSIGNED_SCHEMA.names()))
        labelled = rows.join(labels.collect(), on=KEYS).join(recorded, on=KEYS, how="left")
        if not labelled.is_empty():
            pairs.append(_paired(labelled, path, wanted, others))
    found = pl.concat(pairs) if pairs else _no_pairs(wanted.columns)
    whole = _weighted(found)
    first = pl.concat(assigned).sort("answered_at", maintain_order=True) if assigned else pl.DataFrame(schema=ASSIGNED_SCHEMA)
    return DayFound(
        pairs=whole,
        assigned=first.unique(["step", "key"], keep="first", maintain_order=True),
        labelled=found.height,
        lacking=found.height - whole.height,
    )


def _of_rollout(rows: pl.DataFrame, wanted: DayWanted) -> pl.DataFrame:
    """Those that a route of the rollout assigned, with step, arm and key."""
    numbers = {int(step.digest, 16): step.number for step in wanted.rollout.steps}
    if "route" not in rows.columns:
        return rows.clear()
    rows = rows.filter(pl.col("route").is_in(list(numbers)) & pl.col("arm").is_not_null())
    user = wanted.columns.user
    sent = (
        pl.col("routing_key")
        if user is None
        else pl.coalesce("routing_key", pl.col(user).cast(pl.String).first().over("prediction_id"))
    )
    rows = rows.with_columns(
        pl.col("route").replace_strict(numbers, return_dtype=pl.Int16).alias("step"),
        pl.col("arm").replace_strict(ROLES, return_dtype=pl.Int8).alias("arm"),
        sent.alias("routing_key"),
    ).filter(pl.col("routing_key").is_not_null())
    texts = rows["routing_key"].unique()
    hashes = [key_hash(wanted.rollout.salt, key) for key in texts]
    known = pl.DataFrame({"routing_key": texts, "hashed": pl.Series(hashes, dtype=pl.UInt64)})
    return rows.join(known, on="routing_key", how="left", maintain_order="left").with_columns(pl.col("hashed").alias("key"))


def _recorded(wanted: DayWanted) -> pl.DataFrame:
    """What shadow work said of rows of that day; it may have been done a day later."""
    paths = [
        path
        for day in (wanted.day, wanted.day + timedelta(days=1))
        for path in sorted((wanted.journal / SHADOWED / f"{DAY}={day}").glob("*/*.parquet"))
    ]
    wants = [*KEYS, "release", PREDICTION]
    frames = [pl.read_parquet(path, columns=wants, hive_partitioning=False) for path in paths]
    schema = pl.Schema({"prediction_id": pl.String, "row": pl.UInt32, "release_other": pl.Int64, "p_other": pl.Float64})
    if not frames:
        return pl.DataFrame(schema=schema)
    found = pl.concat(frames).rename({"release": "release_other", PREDICTION: "p_other"})
    return found.cast(schema).unique(KEYS, keep="first", maintain_order=True)


def _paired(rows: pl.DataFrame, path: Path, wanted: DayWanted, others: Mapping[int, OtherRelease]) -> pl.DataFrame:
    """With both probabilities; NaN where one is not known."""
    rollout, release_N = wanted.rollout, rows["release"].to_numpy()
    other_N = np.where(release_N == rollout.champion, rollout.challenger, rollout.champion)
    fits = (rows["release_other"].fill_null(-1).to_numpy() == other_N) & np.isfinite(rows["p_other"].fill_null(np.nan).to_numpy())
    p_other_N = np.where(fits, rows["p_other"].fill_null(np.nan).to_numpy(), np.nan)
    about, kind = _written(path, wanted.store, int(release_N[0]))
    for number, other in others.items():
        asked = np.flatnonzero((other_N == number) & ~fits)
        if len(asked):
            p_other_N[asked] = other.probabilities(_as_it_was(rows[asked], path), about, kind)
    p_own_N, by_champion = rows[PREDICTION].cast(pl.Float64).to_numpy(), release_N == rollout.champion
    found = rows.with_columns(
        pl.Series("champion", np.where(by_champion, p_own_N, p_other_N), dtype=pl.Float64),
        pl.Series("challenger", np.where(by_champion, p_other_N, p_own_N), dtype=pl.Float64),
        pl.Series("source", np.where(fits, RECORDED, RUN_AGAIN), dtype=pl.Int8),
        pl.lit(1.0).alias("weight"),
        pl.col("clicked").cast(pl.Int8),
        pl.col("fallback").alias("fell_back"),
        (pl.lit(None, pl.String) if wanted.columns.creative is None else pl.col(wanted.columns.creative).cast(pl.String)).alias(
            "creative"
        ),
        *_slices(wanted.columns, rows.columns),
    )
    typed = [pl.col(name).cast(kind) for name, kind in PAIR_SCHEMA.items()]
    return found.select(*typed, *_slice_names(wanted.columns))


def _as_it_was(rows: pl.DataFrame, path: Path) -> pa.Table:
    """The rows out of their file again, with its own types, in this order."""
    table = pq.read_table(path, partitioning=None)
    at = pl.DataFrame({"prediction_id": table["prediction_id"], "row": table["row"]}).with_row_index("at")
    places = rows.select(KEYS).join(at, on=KEYS, how="left", maintain_order="left")["at"]
    return table.take(places.to_arrow())


def _written(path: Path, store: Path, release: int) -> tuple[Writing, Kind]:
    """How the file's rows were written: as the note of its segment says, else as its release does."""
    about = kept_about(path.parents[3], path.stem)
    if about:
        return Writing.of(about), Kind.of(about)
    return Writing(release=release), Kind.of({"schema": Released(store, release).settings["journal"]})


def _weighted(pairs: pl.DataFrame) -> pl.DataFrame:
    """Without rows that lack a probability; those of the same hour and arm that are there stand in for them."""
    is_there = pl.col("champion").is_finite() & pl.col("challenger").is_finite()
    cell = [HOUR, pl.col("arm")]
    there, all_rows = is_there.sum().over(cell), pl.len().over(cell)
    return pairs.with_columns((all_rows / there).alias("weight")).filter(is_there).sort("answered_at", "prediction_id", "row")


def _slices(columns: QualityColumns, there: Sequence[str]) -> list[pl.Expr]:
    """Texts of the watched columns; null where the file has none."""
    found = [
        (pl.col(column).cast(pl.String) if column in there else pl.lit(None, pl.String)).alias(SLICE + name)
        for name, column in columns.slices.items()
    ]
    if columns.creative_id is None:
        return found
    seen = pl.lit(None, pl.UInt32) if columns.creative_id not in there else pl.col(columns.creative_id).cast(pl.UInt32)
    known = pl.when(seen > MISSING_ID).then(pl.lit(SEEN)).otherwise(pl.lit(NEW))
    cold = pl.when(seen.is_null() | (seen == MISSING_ID)).then(pl.lit(None, pl.String)).otherwise(known)
    return [*found, cold.alias(SLICE + COLD_START)]


def _slice_names(columns: QualityColumns) -> list[str]:
    return [SLICE + name for name in (*columns.slices, *([COLD_START] if columns.creative_id is not None else []))]


def _no_pairs(columns: QualityColumns) -> pl.DataFrame:
    return pl.DataFrame(schema=dict(PAIR_SCHEMA) | dict.fromkeys(_slice_names(columns), pl.String()))
