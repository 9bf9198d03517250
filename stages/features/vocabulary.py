"""What the encoder learns from the training split: vocabularies of strings, scales and buckets of numbers."""

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from contracts.dataset.columns import Column
from contracts.serving.request import numbers, strings
from stages.features.config import FeaturesConfig
from stages.features.overflow import bucket_ids, in_buckets

LARGEST = float(np.finfo(np.float32).max)
SMALLEST_STD = 1e-30  # below it 1 / std is infinite as float32
SMALLEST_BUCKET = 0.25  # of the rows that a bucket has where all have as many
BUCKET_ROWS, FEWEST_BUCKETS = 1000, 24  # rows of a bucket where all have as many; even a small table gets this many buckets
NARROWEST = 1e-4  # standard deviations between two knots: what is nearer is one place
UNKNOWN_ID, MISSING_ID, FIRST_ID = 0, 1, 2


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """Values of a categorical column; the id of values[i] is FIRST_ID + i. Other values are hashed if there are buckets."""

    name: str
    values: tuple[str, ...]
    bucket_ids: tuple[int, ...] = ()  # of all buckets, behind the values'; UNKNOWN_ID where too few rows are in one
    salt: str = ""  # stands before a value that is hashed

    @property
    def num_known(self) -> int:
        """Ids that are no buckets."""
        return FIRST_ID + len(self.values)

    @property
    def num_ids(self) -> int:
        return max(self.num_known, max(self.bucket_ids, default=0) + 1)


@dataclass(frozen=True, kw_only=True)
class Scale:
    """A numeric column: x -> sign(x) log(1 + |x|) if `log`, then standardised; and the bucket that x is in."""

    name: str
    log: bool
    mean: float  # of the possibly logged values
    std: float
    edges: tuple[float, ...]  # ascending float32; bucket = number of edges <= x
    range: tuple[float, float]  # smallest and largest value of the training rows, float32
    has_missing: bool  # may be missing: the model sees a flag
    max_sigma: float  # standardised values are cut to +- this

    @property
    def num_ids(self) -> int:
        return FIRST_ID + len(self.edges) + 1

    @property
    def knots(self) -> tuple[float, ...]:
        """Where the buckets begin and end, as standardised values: strictly ascending; at most one if all values are equal."""
        x = np.clip(np.array([self.range[0], *self.edges, self.range[1]], dtype=np.float64), -LARGEST, LARGEST)
        standard = np.clip(((signed_log(x) if self.log else x) - self.mean) / self.std, -self.max_sigma, self.max_sigma)
        kept = [float(standard[0])]
        for knot in standard[1:]:
            if knot - kept[-1] > NARROWEST:
                kept.append(float(knot))
        return tuple(round(knot, 7) for knot in kept)


def signed_log(x: np.ndarray) -> np.ndarray:
    """sign(x) log(1 + |x|): heavy tails on both sides are drawn in."""
    return np.sign(x) * np.log1p(np.abs(x))


def fit_vocabulary(
    column: Column, values: pl.Series, config: FeaturesConfig, count_N: np.ndarray | None = None, salt: str | None = None
) -> Vocabulary:
    """Values seen at least `min_count` times, the most frequent first, equals by name; row i stands for `count_N[i]` rows.

    With a `salt` the other values are hashed.
    """
    counts = strings(values).alias("value").value_counts() if count_N is None else _summed(strings(values), count_N)
    counts = counts.filter(pl.col("value") != "")
    frequent = counts.filter(pl.col("count") >= config.min_count).sort(["count", "value"], descending=[True, False])
    kept = frequent.head(config.max_values)
    found = Vocabulary(name=column.name, values=tuple(kept["value"]))
    if salt is None:
        return found
    rest = counts.join(kept, on="value", how="anti")
    return replace(found, bucket_ids=bucket_ids(rest, salt, found.num_known, config), salt=salt)


def _summed(texts: pl.Series, count_N: np.ndarray) -> pl.DataFrame:
    """How many rows each text stands for."""
    table = pl.DataFrame({"value": texts, "count": pl.Series(count_N, dtype=pl.Float64)})
    return table.group_by("value").agg(pl.col("count").sum())


def known_part(part: Vocabulary | Scale) -> Vocabulary | Scale:
    """The part without buckets: of what is in one it says unknown."""
    return replace(part, bucket_ids=(), salt="") if isinstance(part, Vocabulary) else part


def known_ids(part: Vocabulary | Scale, ids_N: np.ndarray) -> np.ndarray:
    """What `known_part` makes of the values that `part` made `ids_N` of."""
    if isinstance(part, Scale) or not part.bucket_ids:
        return ids_N
    return np.where(ids_N < part.num_known, ids_N, UNKNOWN_ID).astype(ids_N.dtype)


def fit_scale(column: Column, values: pl.Series, config: FeaturesConfig, count_N: np.ndarray | None = None) -> Scale:
    """Mean, standard deviation and quantile edges of the values that are not missing; row i stands for `count_N[i]` rows."""
    x = numbers(values).to_numpy()
    given = x[~np.isnan(x)]
    count = None if count_N is None else count_N[~np.isnan(x)]
    if not len(given):
        given, count = np.zeros(1, dtype=np.float32), None
    given = np.clip(given, -LARGEST, LARGEST)  # float32 turned what is beyond into infinity
    shifted = signed_log(given.astype(np.float64)) if column.log else given.astype(np.float64)
    mean = float(shifted.mean() if count is None else np.average(shifted, weights=count))
    std = float(shifted.std() if count is None else np.sqrt(np.average((shifted - mean) ** 2, weights=count)))
    return Scale(
        name=column.name,
        log=column.log,
        mean=mean,
        std=std if std > SMALLEST_STD else 1.0,
        edges=tuple(float(edge) for edge in bucket_edges(given, config, count)),
        range=(float(given.min()), float(given.max())),
        has_missing=column.nullable or len(given) < len(x),
        max_sigma=config.max_sigma,
    )


def bucket_edges(given_N: np.ndarray, config: FeaturesConfig, count_N: np.ndarray | None = None) -> np.ndarray:
    """Where buckets begin, ascending; what lies below the first edge is a bucket too. Value i is that of `count_N[i]` rows.

    A value with more rows than a bucket has, as 0 in flags and counts, is a bucket of its own, and the others share the other
    buckets, as many rows each, but at least SMALLEST_BUCKET of an even share and `min_count`: small ones tell little, and hide
    from the selection that the column tells something. By rows alone an amount that nine rows in ten do not have would be cut in
    two or three. Fewer rows than that between two such values are no bucket; they go to the value below. LightGBM bins alike.
    """
    if count_N is None:
        value_U, rows_U = np.unique(given_N, return_counts=True)
    else:
        value_U, place_N = np.unique(given_N, return_inverse=True)
        rows_U = np.bincount(place_N, count_N).astype(np.int64)
    num_rows = int(rows_U.sum())
    num_buckets = buckets_for(num_rows, config)
    least = max(SMALLEST_BUCKET * num_rows / num_buckets, config.min_count)
    size = max(bucket_rows(rows_U, num_buckets), least)
    is_own_U = rows_U >= size
    gap_U = np.cumsum(is_own_U)  # values between two that are buckets of their own, numbered by the lower one
    others_U = np.where(is_own_U, 0, rows_U)
    others_G = np.bincount(gap_U, others_U)
    before_U = np.cumsum(others_U) - others_U - (np.cumsum(others_G) - others_G)[gap_U]
    parts_U = np.maximum(np.floor(others_G / size + 1e-6), 1)[gap_U]
    part_U = 1 + np.floor(before_U * parts_U / np.maximum(others_G[gap_U], 1))
    part_U[is_own_U | (others_G[gap_U] < least)] = 0
    gap_U[(gap_U == 0) & (part_U == 0)] = 1  # nothing is below: to the value above
    begins_U = (np.diff(gap_U) != 0) | (np.diff(part_U) != 0)
    return value_U[1:][begins_U]


def buckets_for(num_rows: int, config: FeaturesConfig) -> int:
    """Buckets of a column with so many given values: finer ones find where a step is, and hide it where they hold few rows."""
    return min(config.num_buckets, max(FEWEST_BUCKETS, num_rows // BUCKET_ROWS))


def bucket_rows(rows_U: np.ndarray, num_buckets: int) -> float:
    """Rows of a bucket if a value with more than these is counted as a bucket: the c with sum(min(rows, c)) = c * num_buckets."""
    most_first_U = np.sort(rows_U)[::-1].astype(np.float64)
    rest_U = most_first_U.sum() - np.concatenate([[0.0], np.cumsum(most_first_U)])  # rows beside those of the first k values
    for k in range(min(num_buckets, len(most_first_U))):
        size = rest_U[k] / (num_buckets - k)
        if most_first_U[k] < size:
            return float(size)
    return 0.0


def ids_of(part: Vocabulary | Scale, values: pl.Series) -> np.ndarray:
    """Ids int32 [N] of the raw values, computed with Polars and NumPy: the second method beside the ONNX graph."""
    if isinstance(part, Vocabulary):
        known = {value: FIRST_ID + i for i, value in enumerate(part.values)}
        texts = strings(values)
        ids_N = texts.replace_strict({"": MISSING_ID, **known}, default=UNKNOWN_ID, return_dtype=pl.Int32).to_numpy()
        return in_buckets(texts, ids_N, part.salt, part.bucket_ids) if part.bucket_ids else ids_N
    x = numbers(values).to_numpy()
    buckets = np.searchsorted(np.asarray(part.edges, dtype=np.float32), x, side="right")
    return np.where(np.isnan(x), MISSING_ID, FIRST_ID + buckets).astype(np.int32)
