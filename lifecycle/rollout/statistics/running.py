"""Sums of products over clusters, after every look, in one pass.

A cluster's sum grows row by row; adding x where the sum was P adds 2 P x + x x to its square. So all looks cost one sort.
Shape letters: N rows, V variables, L looks.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Entered:
    """Rows in the order in which they entered, and the look at which each was there for the first time (0 to L-1)."""

    look_N: np.ndarray
    num_looks: int

    def sums(self, value_N: np.ndarray) -> np.ndarray:
        """float64 [L]: the sum of all rows that are there at each look."""
        return np.cumsum(np.bincount(self.look_N, weights=value_N, minlength=self.num_looks))


class ClusterSums:
    """Rows by cluster: `cluster_N` has a number for each row. Rows of one cluster belong together wherever they are."""

    def __init__(self, cluster_N: np.ndarray, entered: Entered) -> None:
        self._order = np.argsort(cluster_N, kind="stable")
        sorted_N = cluster_N[self._order]
        starts = np.flatnonzero(np.diff(sorted_N, prepend=sorted_N[:1] - 1)) if len(sorted_N) else np.empty(0, dtype=np.int64)
        self._sizes, self._starts = np.diff(starts, append=len(sorted_N)), starts
        self._entered = Entered(look_N=entered.look_N[self._order], num_looks=entered.num_looks)

    def sorted(self, value_N: np.ndarray) -> "Summed":
        """A variable by cluster, and what its cluster had before each row."""
        value = value_N[self._order]
        before = np.cumsum(value) - value
        return Summed(value=value, before=before - np.repeat(before[self._starts], self._sizes))

    def products(self, left: "Summed", right: "Summed") -> np.ndarray:
        """float64 [L]: sum over clusters of (sum of left) x (sum of right), at each look."""
        grown = left.value * (right.before + right.value) + right.value * left.before
        return self._entered.sums(grown)


@dataclass(frozen=True, kw_only=True)
class Summed:
    value: np.ndarray
    before: np.ndarray
