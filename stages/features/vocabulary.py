"""What the encoder learns from the training split: vocabularies of strings, scales and buckets of numbers."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from contracts.dataset.columns import Column
from contracts.serving.request import numbers, strings
from stages.features.config import FeaturesConfig

LARGEST = float(np.finfo(np.float32).max)
SMALLEST_STD = 1e-30  # below it 1 / std is infinite as float32
UNKNOWN_ID, MISSING_ID, FIRST_ID = 0, 1, 2


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """Values of a categorical column; the id of values[i] is FIRST_ID + i."""

    name: str
    values: tuple[str, ...]

    @property
    def num_ids(self) -> int:
        return FIRST_ID + len(self.values)


@dataclass(frozen=True, kw_only=True)
class Scale:
    """A numeric column: x -> sign(x) log(1 + |x|) if `log`, then standardised; and the bucket that x is in."""

    name: str
    log: bool
    mean: float  # of the possibly logged values
    std: float
    edges: tuple[float, ...]  # ascending float32; bucket = number of edges <= x
    has_missing: bool  # may be missing: the model sees a flag
    max_sigma: float  # standardised values are cut to +- this

    @property
    def num_ids(self) -> int:
        return FIRST_ID + len(self.edges) + 1


def signed_log(x: np.ndarray) -> np.ndarray:
    """sign(x) log(1 + |x|): heavy tails on both sides are drawn in."""
    return np.sign(x) * np.log1p(np.abs(x))


def fit_vocabulary(column: Column, values: pl.Series, config: FeaturesConfig) -> Vocabulary:
    """Values seen at least `min_count` times, the most frequent first, equals by name."""
    counts = strings(values).alias("value").value_counts().filter(pl.col("value") != "")
    frequent = counts.filter(pl.col("count") >= config.min_count).sort(["count", "value"], descending=[True, False])
    return Vocabulary(name=column.name, values=tuple(frequent["value"].head(config.max_values)))


def fit_scale(column: Column, values: pl.Series, config: FeaturesConfig) -> Scale:
    """Mean, standard deviation and quantile edges of the values that are not missing."""
    x = numbers(values).to_numpy()
    given = x[~np.isnan(x)]
    if not len(given):
        given = np.zeros(1, dtype=np.float32)
    given = np.clip(given, -LARGEST, LARGEST)  # float32 turned what is beyond into infinity
    shifted = signed_log(given.astype(np.float64)) if column.log else given.astype(np.float64)
    std = float(shifted.std())
    return Scale(
        name=column.name,
        log=column.log,
        mean=float(shifted.mean()),
        std=std if std > SMALLEST_STD else 1.0,
        edges=tuple(float(edge) for edge in bucket_edges(given, config)),
        has_missing=column.nullable or len(given) < len(x),
        max_sigma=config.max_sigma,
    )


def bucket_edges(given_N: np.ndarray, config: FeaturesConfig) -> np.ndarray:
    """Where buckets of about as many values each begin, ascending; what lies below the first edge is a bucket too.

    A value that fills more than a bucket, as 0 does in flags and counts, is told from what is above it by an edge of its own.
    """
    inner = np.quantile(given_N, np.linspace(0, 1, config.num_buckets + 1)[1:-1], method="higher")
    edges = np.unique(inner[inner > given_N.min()])  # an edge at the minimum would leave the first bucket empty
    above = given_N[given_N > inner[-1]]
    if len(above) >= config.min_count and np.count_nonzero(given_N == inner[-1]) * config.num_buckets > len(given_N):
        edges = np.append(edges, above.min())
    return edges


def ids_of(part: Vocabulary | Scale, values: pl.Series) -> np.ndarray:
    """Ids int32 [N] of the raw values, computed with Polars and NumPy: the second method beside the ONNX graph."""
    if isinstance(part, Vocabulary):
        known = {value: FIRST_ID + i for i, value in enumerate(part.values)}
        return strings(values).replace_strict({"": MISSING_ID, **known}, default=UNKNOWN_ID, return_dtype=pl.Int32).to_numpy()
    x = numbers(values).to_numpy()
    buckets = np.searchsorted(np.asarray(part.edges, dtype=np.float32), x, side="right")
    return np.where(np.isnan(x), MISSING_ID, FIRST_ID + buckets).astype(np.int32)
