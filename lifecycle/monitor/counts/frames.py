"""Counts as rows of a table, and what they are called."""

from dataclasses import dataclass

import numpy as np
import polars as pl

CLUSTERS = ("entity", "creative")
REQUEST = "request"  # rows of one user in one request: alike because they were sent together, and never seen together again
GROUPS = (*CLUSTERS, REQUEST)
CELL, PAIRS, AGREE, APART, SAME, OFTEN, MINORITY = (
    "cell",
    "pairs",
    "agree",
    "apart",
    "same",
    "often",
    "minority",
)  # agree: in the cell; same: in the value
IDS, NEW_IDS, IDS_UNTIL = "ids", "new ids", "ids until"  # creatives that the release knew, or not; the first that was left out
SUM, MILLION = "sum", 1_000_000  # of predictions, in millionths
FEWEST_OF_GROUP, MOST_ODD = 3, 0.2  # rows of a group in which one can differ; share of such rows beyond which it says nothing
SLOTS = 1 << 16  # blocks of an hour, at most
TOP, LEAST_OFTEN, LEAST_SHARE = 3, 3, 0.01  # of the values without a cell of their own: so many, if they came so often


@dataclass(frozen=True, kw_only=True)
class Coded:
    """A column's rows."""

    cell_N: np.ndarray
    value_N: np.ndarray  # number of the value, or of the bucket
    values: list[str] | None  # their texts; None for buckets


def of_units(column: str, what: str, key: str, n_U: np.ndarray) -> pl.DataFrame:
    at = np.flatnonzero(n_U)
    return frame(column, what, key, at, n_U[at])


def frame(column: str, what: str, key: "str | list[str] | pl.Series", unit: np.ndarray, n: np.ndarray) -> pl.DataFrame:
    keys = pl.repeat(key, len(unit), dtype=pl.String, eager=True) if isinstance(key, str) else pl.Series(key, dtype=pl.String)
    return pl.DataFrame({"unit": unit.astype(np.int64), "key": keys, "n": n.astype(np.int64)}).with_columns(
        column=pl.lit(column), what=pl.lit(what)
    )
