"""Multinomial bootstrap over rows, or over whole users or creatives, with the same draws for every model.

Replicate r of two models uses the same weights, so the difference of two replicates is a replicate of the difference.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from stages.evaluation.intervals import Evidence
from stages.evaluation.ranking import Ranking
from stages.row_weights import RowWeights


@dataclass(frozen=True, kw_only=True)
class Resampler:
    """Draws row weights. Memory is a few arrays of N for each thread, whatever the number of resamples."""

    num_rows: int
    num_resamples: int
    seed: int
    num_threads: int
    unit: np.ndarray | None = None  # int [N] code of the user (or other unit) that is drawn as a whole; None: each row
    num_units: int = 0
    unit_name: str = "rows"  # what is drawn, in the plural
    weights: RowWeights | None = None  # of rows that stand for many impressions, or weigh more than others

    @property
    def units(self) -> Evidence | None:
        """How many whole units there are to draw; None where rows are drawn."""
        return None if self.unit is None else Evidence(count=self.num_units, what=self.unit_name)

    def units_in(self, is_in_N: np.ndarray) -> Evidence | None:
        """How many whole units have one of those rows; None where rows are drawn."""
        return None if self.unit is None else Evidence(count=len(np.unique(self.unit[is_in_N])), what=self.unit_name)

    def weight(self, replicate: int) -> np.ndarray:
        """How often each row was drawn in this replicate, int64 [N]; a pure function of seed and replicate.

        Of rows that stand for many, impressions are drawn, or the units with all of theirs; then what they weigh in all, float64.
        """
        rng = np.random.default_rng([self.seed, replicate])
        if self.weights is not None and not self.weights.is_plain:
            return self._drawn_mass(rng, self.weights)
        size = self.num_rows if self.unit is None else self.num_units
        counts = np.bincount(rng.integers(0, size, size, dtype=np.int32 if size < 2**31 else np.int64), minlength=size)
        return counts if self.unit is None else counts[self.unit]

    def _drawn_mass(self, rng: np.random.Generator, weights: RowWeights) -> np.ndarray:
        if self.unit is not None:
            counts = np.bincount(rng.integers(0, self.num_units, self.num_units), minlength=self.num_units)
            return counts[self.unit] * weights.mass_N
        count_N = np.ones(self.num_rows) if weights.count_N is None else weights.count_N
        drawn_N = rng.multinomial(weights.impressions(), count_N / count_N.sum())
        return drawn_N * (1.0 if weights.worth_N is None else weights.worth_N)

    @property
    def mass(self) -> np.ndarray:
        """What rows weigh without a draw, float64 [N]."""
        return np.ones(self.num_rows) if self.weights is None else self.weights.mass_N

    def replicate(self, ranking: Ranking, on_done: Callable[[], object] | None = None) -> dict[str, np.ndarray]:
        """`ranking.weighted` under every draw, each key float64 [R, G]. Threads change the speed, not the result."""

        def one(replicate: int) -> dict[str, np.ndarray]:
            sums = ranking.weighted(self.weight(replicate))
            if on_done is not None:
                on_done()
            return sums

        with ThreadPoolExecutor(self.num_threads) as pool:
            rows = list(pool.map(one, range(self.num_resamples)))
        return {key: np.stack([row[key] for row in rows]) for key in rows[0]}
