"""The rows that a rollout is judged by: shown, with a final label, and the probability that either release gives them.

`pairs/day=YYYY-MM-DD.parquet` is written once, when all labels of the day (UTC, of the answer) are final: rows in the order of
their answers. `assigned/day=YYYY-MM-DD.parquet` has the routing keys that a step saw for the first time, in the same order.
"""

import hashlib

import polars as pl

from contracts.serving.route import BUCKETS

ROLE_CHAMPION, ROLE_CHALLENGER = 0, 1  # arm
RECORDED, RUN_AGAIN = 0, 1  # source of the other release's probability: journalled shadow work, or its graph over the journal
SLICE = "slice_"  # prefix of a watched column's name; its values as text, null where missing

PAIR_SCHEMA = pl.Schema(
    {
        "answered_at": pl.Datetime("ns", "UTC"),
        "prediction_id": pl.String(),
        "row": pl.UInt32(),
        "step": pl.Int16(),  # number in Rollout.steps' `number`
        "arm": pl.Int8(),  # as assigned, also where the champion answered instead
        "key": pl.UInt64(),  # key_hash of the routing key, never the key itself; key_of_bucket where that was not written
        "creative": pl.String(),  # null where the data set has none
        "champion": pl.Float64(),  # probability of a click
        "challenger": pl.Float64(),
        "clicked": pl.Int8(),
        "weight": pl.Float64(),  # 1, or more where rows of the same hour and arm lack the other release's probability
        "source": pl.Int8(),
        "fell_back": pl.Boolean(),
    }
)
ASSIGNED_SCHEMA = pl.Schema({"answered_at": pl.Datetime("ns", "UTC"), "step": pl.Int16(), "key": pl.UInt64(), "arm": pl.Int8()})


def key_hash(salt: str, key: str) -> int:
    """Of a routing key: the number that draws its bucket, the first 8 bytes of SHA-256(salt, zero byte, key), big-endian."""
    return int.from_bytes(hashlib.sha256(salt.encode() + b"\0" + key.encode()).digest()[:8], "big")


def key_of_bucket(bucket: int) -> int:
    """Stands for a key that was not written, as where its column is dropped: the least hash of its bucket."""
    return -(-(bucket << 64) // BUCKETS)
