"""Percentiles of latencies that say how far they can be trusted."""

import math
from dataclasses import dataclass

import numpy as np

CONFIDENCE_Z = 1.959964  # two-sided 95 %


@dataclass(frozen=True, kw_only=True)
class Quantile:
    """A quantile of latencies in ms with its 95 % confidence interval."""

    q: float
    num_samples: int
    ms: float | None  # None: too few samples to claim it
    low_ms: float | None
    high_ms: float | None

    def __str__(self) -> str:
        if self.ms is None:
            return f"p{self.q * 100:g} not claimed from {self.num_samples:,} requests"
        return f"p{self.q * 100:g} {self.ms:.2f} ms [{self.low_ms:.2f}, {self.high_ms:.2f}]"


def quantile(latencies_ms: np.ndarray, q: float) -> Quantile:
    """The sample quantile, between two order statistics that hold the true one in 95 of 100 runs.

    The interval is free of any distribution: the number of samples below the true quantile is binomial(n, q), here by its
    normal approximation (Hahn and Meeker, Statistical Intervals, section 5.2). Where the upper order statistic does not
    exist, n is too small and nothing is claimed; for p99 that is below about 560 requests, and neighbouring requests
    share their luck, so that it is a lower bound.
    """
    n = len(latencies_ms)
    spread = CONFIDENCE_Z * math.sqrt(n * q * (1 - q))
    lower, upper = math.floor(n * q - spread) - 1, math.ceil(n * q + spread)
    if lower < 0 or upper > n - 1:
        return Quantile(q=q, num_samples=n, ms=None, low_ms=None, high_ms=None)
    places = sorted({lower, upper, min(n - 1, math.ceil(n * q) - 1)})
    found = np.partition(np.asarray(latencies_ms, dtype=np.float64), places)
    return Quantile(
        q=q,
        num_samples=n,
        ms=float(found[min(n - 1, math.ceil(n * q) - 1)]),
        low_ms=float(found[lower]),
        high_ms=float(found[upper]),
    )
