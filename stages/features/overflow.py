"""Values that have no id of their own because they are rare, or the vocabulary was full, hashed into buckets.

A bucket is an id that such values share. Only buckets that enough training rows fall into have one: the values of the others
stay unknown, so that every id that can come has been trained. The hash is MurmurHash3 (32 bits, A. Appleby, 2011) of a salt and
the value in UTF-8. The salt is what stands before the column's strings in a packed text, so that `ctr_packed.onnx` hashes what
it has at hand.
"""

from collections.abc import Iterable

import numpy as np
import polars as pl

from stages.features.config import FeaturesConfig

SEED = 0


def bucket_ids(rest: pl.DataFrame, salt: str, first: int, config: FeaturesConfig) -> tuple[int, ...]:
    """The id of each bucket, from `first` on; 0 for those with less than `min_count` rows. `rest` has `value` and `count`."""
    rows_B = np.bincount(buckets_of(rest["value"], salt, config.overflow_buckets), rest["count"], config.overflow_buckets)
    has_id_B = rows_B >= config.min_count
    return tuple(np.where(has_id_B, first + np.cumsum(has_id_B) - 1, 0).tolist()) if has_id_B.any() else ()


def buckets_of(values: Iterable[str], salt: str, num_buckets: int) -> np.ndarray:
    """The bucket of each text, int64, by scikit-learn's MurmurHash3: the second method beside the ONNX graph."""
    from sklearn.utils import murmurhash3_32  # takes a second to import, which only those wait for that hash

    hashes = (murmurhash3_32((salt + value).encode(), SEED, positive=True) for value in values)
    return np.fromiter(hashes, dtype=np.int64) % num_buckets


def in_buckets(values: pl.Series, ids_N: np.ndarray, salt: str, id_B: tuple[int, ...]) -> np.ndarray:
    """`ids_N` with the buckets' ids where a value is unknown (0)."""
    unknown_N = np.flatnonzero(ids_N == 0)
    distinct = values.gather(unknown_N).unique()
    of_value = pl.Series(np.array(id_B)[buckets_of(distinct, salt, len(id_B))], dtype=pl.Int32)
    found_N = ids_N.copy()
    found_N[unknown_N] = values.gather(unknown_N).replace_strict(distinct, of_value, return_dtype=pl.Int32).to_numpy()
    return found_N
