"""Random numbers for the exchange: one independent generator per purpose and month, so no draw can disturb another."""

from typing import Literal, get_args

import numpy as np

Purpose = Literal[
    "users", "sites", "advertisers", "tastes", "drift", "activity",
    "creatives", "traffic", "clicks", "dirt", "calibration", "interests",
]  # fmt: skip
_PURPOSES = get_args(Purpose)  # the position is part of the seed: append only


def generator(seed: int, purpose: Purpose, month_idx: int = 0) -> np.random.Generator:
    """A fresh generator that depends on its three arguments only. Draws of the world as a whole use month_idx 0."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, _PURPOSES.index(purpose), month_idx])))


def power_law(rng: np.random.Generator, size: int, exponent: float, offset: float) -> np.ndarray:
    """Shares of a power law in random order, float64 [size], sum 1. A larger offset flattens the head."""
    weights = 1.0 / (rng.permutation(size) + 1.0 + offset) ** exponent
    return weights / weights.sum()


def draw_by_weight(weights_GK: np.ndarray, group_N: np.ndarray, uniform_N: np.ndarray) -> np.ndarray:
    """One column index a row, int32 [N], drawn with the weights of the row's group (G groups, K columns)."""
    cumulative_GK = np.cumsum(weights_GK, axis=1)
    cumulative_GK /= cumulative_GK[:, -1:]
    num_groups, num_columns = cumulative_GK.shape
    # Group g occupies the interval [g, g + 1) of one long sorted array, so a single search serves all groups.
    flat = (cumulative_GK + np.arange(num_groups)[:, None]).ravel()
    column_N = np.searchsorted(flat, group_N + uniform_N, side="right") - group_N.astype(np.int64) * num_columns
    return np.clip(column_N, 0, num_columns - 1).astype(np.int32)
