"""What comes and goes: values that are new, and columns that say nothing but which creative it is."""

from datetime import timedelta

import numpy as np
import polars as pl

from contracts.serving.request import strings

LAST = timedelta(days=1)  # of the training rows, in which values may be new
FUNCTION = 0.99  # of the rows, from which on a column is a function of the creative
EXPLAINED = 0.9  # of the rows without the most frequent value, that the creative must tell: a column of one value tells nothing
MOST_ALONE = 0.5  # share of the rows whose creative has no other, from which on it cannot be told


def new_rate(values: pl.Series, is_last_N: pl.Series) -> float | None:
    """Share of the rows of `is_last_N` with a value that no row before had; None if no row was before."""
    last, before = strings(values.filter(is_last_N)), strings(values.filter(~is_last_N))
    if not len(before) or not len(last):
        return None
    is_new = ~last.is_in(before.unique().implode()) & (last != "")
    return float(is_new.mean())


def last_day(times: pl.Series) -> pl.Series:
    """Is the row of the last 24 hours; one without a time is not."""
    return (times > times.max() - LAST).fill_null(False)


def is_function_of(ids_N: np.ndarray, creative_N: np.ndarray) -> bool:
    """Have FUNCTION of the rows the value that is the most frequent one of their creative.

    A creative's only row says nothing about that; where most rows are such, it cannot be told.
    """
    rows_C = np.bincount(creative_N)
    is_judged_N = rows_C[creative_N] > 1
    if is_judged_N.mean() <= 1 - MOST_ALONE:
        return False
    ids_N, creative_N = ids_N[is_judged_N].astype(np.int64), creative_N[is_judged_N]
    width = int(ids_N.max()) + 1
    pair, together = np.unique(creative_N * width + ids_N, return_counts=True)
    first = np.flatnonzero(np.diff(pair // width, prepend=-1))
    told = np.maximum.reduceat(together, first).sum() / len(ids_N)
    without = np.bincount(ids_N).max() / len(ids_N)
    return bool(told >= FUNCTION and without < 1 and 1 - told <= (1 - EXPLAINED) * (1 - without))
