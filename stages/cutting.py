"""Where rows that are in some order, of time or of their files, are cut into train, val and test."""

from typing import Any

import numpy as np

from contracts.dataset.declaration import Split

OUT_OF_TIME = 4  # code of rows that came with another month than their own; see `cut`


def cut(order_N: np.ndarray, partition_N: np.ndarray, split: Split, mass_N: np.ndarray | None = None) -> np.ndarray:
    """Codes by position in `order_N`: the latest rows are test, those before them val. Equal positions stay together.

    Shares are of what rows weigh, `mass_N`; as much each if left out.

    With test months, rows of earlier partitions from the time on where test begins (they came late, or are of that very
    instant) are OUT_OF_TIME, and so are those of test before it. Raises ValueError if there are too few months.
    """
    codes_N = np.zeros(len(order_N), dtype=np.int8)
    if split.test_months is not None:
        months = int(partition_N[-1]) + 1
        if months <= split.test_months:
            raise ValueError(
                f"data.split.test_months is {split.test_months} but the data has {months}; train and val need at least one more"
            )
        codes_N[partition_N >= months - split.test_months] = 2
        codes_N[(codes_N == 2) != (order_N >= _test_begin(order_N, codes_N == 2, mass_N))] = OUT_OF_TIME
    else:
        codes_N[order_N >= _threshold(order_N, split.test_frac, mass_N)] = 2
    before_N = codes_N == 0
    if before_N.any():
        share = split.val_frac if split.test_frac is None else split.val_frac / (1 - split.test_frac)
        codes_N[before_N & (order_N >= _threshold(order_N[before_N], share, None if mass_N is None else mass_N[before_N]))] = 1
    return codes_N


def _test_begin(order_N: np.ndarray, in_test_N: np.ndarray, mass_N: np.ndarray | None) -> Any:
    """The position from which on, taken as the begin of test, the fewest rows, as they weigh, are on the wrong side."""
    place_N = np.argsort(order_N, kind="stable")
    sorted_N, test_N = order_N[place_N], in_test_N[place_N]
    first_N = np.flatnonzero(np.r_[True, sorted_N[1:] != sorted_N[:-1]])  # of each position that occurs
    one_N = 1 if mass_N is None else mass_N[place_N]
    late_N = np.cumsum((~test_N * one_N)[::-1])[::-1][first_N]
    early_N = (np.cumsum(test_N * one_N) - test_N * one_N)[first_N]
    return sorted_N[first_N[np.argmin(late_N + early_N)]]


def _threshold(order: np.ndarray, share: float, mass: np.ndarray | None) -> Any:
    """The value from which on about the last `share` of the sorted values lie, as they weigh."""
    if mass is not None:
        return _weighted_threshold(order, share, mass)
    first = min(round(len(order) * (1 - share)), len(order) - 1)
    return np.partition(order, first)[first]


def _weighted_threshold(order: np.ndarray, share: float, mass: np.ndarray) -> Any:
    """As if each value were there `mass` times; weights that are no whole numbers are cut where they are."""
    place = np.argsort(order, kind="stable")
    up_to = np.cumsum(mass[place])
    first = up_to[-1] * (1 - share)
    first = round(first) if mass.dtype == np.int64 else first
    return order[place][min(np.searchsorted(up_to, first, side="right"), len(order) - 1)]
