"""A bootstrap of whole units over rows that come in pieces: sums under every draw, without a state for each unit.

Each unit is drawn Poisson(1) times, by a hash of seed, unit and replicate, so that a unit of which rows come later has the same
weights again (Chamandy et al. 2012, "Estimating Uncertainty for Massive Data Streams"). What is kept is M x G x R numbers.

Legend: N rows of a piece, U units, G groups (values of slices), M measures, R replicates.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import sparse

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
BLOCK_UNITS = 8192  # units whose weights are in memory at once
ENOUGH = 1000  # units are counted up to here: more make no interval narrower
LEVELS = 1 << 16  # of the random number behind one weight


class PoissonWeights:
    """How often each unit is drawn in each replicate: a pure function of seed, unit and replicate."""

    def __init__(self, num_resamples: int, seed: int) -> None:
        self.num_resamples = num_resamples
        counters = np.arange(1, -(-num_resamples // 4) + 1, dtype=np.uint64)
        self._keys = _mixed(counters * GOLDEN + _mixed(np.array([seed], dtype=np.uint64)))
        ends = np.round(LEVELS * np.cumsum([math.exp(-1) / math.factorial(k) for k in range(9)])).astype(np.int64)
        self._table = np.searchsorted(ends, np.arange(LEVELS), side="right").astype(np.uint8)

    def of(self, unit_U: np.ndarray) -> np.ndarray:
        """Weights uint8 [U, R] of units, each told by a 64-bit number."""
        bits = _mixed(unit_U.astype(np.uint64)[:, None] ^ self._keys[None, :])
        return self._table[bits.view(np.uint16)[:, : self.num_resamples]]


def _mixed(x: np.ndarray) -> np.ndarray:
    """SplitMix64's finaliser: every bit of the result depends on every bit of `x`."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


class DrawnSums:
    """Sums of measures in groups, on the rows themselves and under every draw of whole units."""

    def __init__(self, num_measures: int, num_groups: int, weights: PoissonWeights, what: str) -> None:
        self.what = what  # the units, in the plural
        self.point_MG = np.zeros((num_measures, num_groups))
        self.drawn_MGR = np.zeros((num_measures, num_groups, weights.num_resamples))
        self._weights = weights
        self._seen: list[np.ndarray] = [np.empty(0, dtype=np.uint64)] * num_groups

    def add(self, unit_N: np.ndarray, group_SN: np.ndarray, measure_MN: np.ndarray) -> None:
        """Add a piece: the unit of each row (uint64), its group in each of S slices, its measures."""
        num_measures, num_groups, _ = self.drawn_MGR.shape
        units, place_N = np.unique(unit_N, return_inverse=True)
        num_slices = len(group_SN)
        group = group_SN.ravel()
        place = np.tile(place_N, num_slices)
        cell = np.concatenate([group + m * num_groups for m in range(num_measures)])
        values = np.tile(measure_MN, (1, num_slices)).ravel()
        shape = (num_measures * num_groups, len(units))
        sums = sparse.coo_matrix((values, (cell, np.tile(place, num_measures))), shape=shape).tocsc()
        self.point_MG += np.asarray(sums.sum(axis=1)).reshape(num_measures, num_groups)
        drawn = self.drawn_MGR.reshape(num_measures * num_groups, -1)
        for start in range(0, len(units), BLOCK_UNITS):
            block = slice(start, start + BLOCK_UNITS)
            drawn += sums[:, block].tocsr() @ self._weights.of(units[block]).astype(np.float64)
        self._count(units, place, group)

    def _count(self, units: np.ndarray, place: np.ndarray, group: np.ndarray) -> None:
        pairs = np.unique(group.astype(np.int64) * len(units) + place)
        for g, number in zip(*np.unique(pairs // len(units), return_counts=True), strict=True):
            if len(self._seen[g]) < ENOUGH:
                start = np.searchsorted(pairs, g * len(units))
                fresh = units[pairs[start : start + number] % len(units)]
                self._seen[g] = np.union1d(self._seen[g], fresh)[:ENOUGH]

    def num_units(self, group: int) -> int:
        """How many units have a row in the group, at most ENOUGH."""
        return len(self._seen[group])
