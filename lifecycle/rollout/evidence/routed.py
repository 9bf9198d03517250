"""Rows of a file of the journal that a rollout's routes assigned: whose they are, in which step and arm."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from lifecycle.journal.routing_columns import ROUTING_COLUMNS, has_routing
from lifecycle.monitor.quality.labelled import KEYS, PREDICTION, QualityColumns
from lifecycle.rollout.pairs import ROLE_CHALLENGER, ROLE_CHAMPION, key_hash, key_of_bucket
from lifecycle.rollout.rollout import Rollout

ROLES = {"champion": ROLE_CHAMPION, "challenger": ROLE_CHALLENGER}
PLACE = "place"  # of a row in its file
OF_TEXT = {"routing_key": pl.String, "key": pl.UInt64}
OF_BUCKET = {"bucket": pl.UInt32, "stands_for": pl.UInt64}
READ = (*KEYS, "answered_at", "release", *ROUTING_COLUMNS, PREDICTION)


def routed_rows(path: Path, rollout: Rollout, columns: QualityColumns) -> pl.DataFrame | None:
    """READ and the watched columns that the file has, with place, step, arm and key; None where no route had to do with it.

    Rows of whose key not even the bucket is left are erased users', and not among them.
    """
    file = pq.ParquetFile(path)
    if not has_routing(file.schema_arrow):
        return None
    there = [name for name in dict.fromkeys((*READ, *columns.read)) if name in file.schema_arrow.names]
    rows = pl.from_arrow(file.read(columns=there))
    assert isinstance(rows, pl.DataFrame)
    steps = {int(step.digest, 16): step.number for step in rollout.steps}
    ours = pl.col("route").is_in(list(steps)) & pl.col("arm").is_in(list(ROLES))
    rows = rows.with_row_index(PLACE).with_columns(_whose(there, columns.user)).filter(ours)
    if rows.is_empty():
        return None
    typed = (
        pl.col("route").replace_strict(steps, return_dtype=pl.Int16).alias("step"),
        pl.col("arm").replace_strict(ROLES, return_dtype=pl.Int8).alias("arm"),
    )
    return _keyed(rows.with_columns(typed), rollout.salt)


def _whose(there: Sequence[str], user: str | None) -> pl.Expr:
    """The routing key as text: what was sent as such, else the user of the request's first row."""
    if user is None or user not in there:
        return pl.col("routing_key")
    first = pl.col(user).cast(pl.String).filter(pl.col("row") == 0).first().over("prediction_id")
    return pl.coalesce("routing_key", first).alias("routing_key")


def _keyed(rows: pl.DataFrame, salt: str) -> pl.DataFrame:
    """With `key`: of the text, or, where that was not written, of the bucket."""
    texts, buckets = (rows[name].unique().drop_nulls().to_list() for name in ("routing_key", "bucket"))
    of_text = pl.DataFrame({"routing_key": texts, "key": [key_hash(salt, text) for text in texts]}, OF_TEXT)
    of_bucket = pl.DataFrame({"bucket": buckets, "stands_for": [key_of_bucket(bucket) for bucket in buckets]}, OF_BUCKET)
    for known in (of_text, of_bucket):
        rows = rows.join(known, on=known.columns[0], how="left", maintain_order="left")
    return rows.with_columns(pl.coalesce("key", "stands_for").alias("key")).filter(pl.col("key").is_not_null())
