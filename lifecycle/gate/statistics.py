"""By how much is the candidate worse than the champion, and may chance alone have made it so.

A figure is measured in pairs, candidate and champion in turn, and the first of a pair is the other one in every second pair.
So the logarithms of the pairs' ratios lie symmetrically around the true one, whatever their distribution is: noise that hits one
of a pair hits the other as often. The estimate is the Hodges-Lehmann one, the median of the means of all two pairs; its interval
is that of Wilcoxon's signed-rank test, exact for any number of pairs (Hollander, Wolfe and Chicken 2014, sections 3.2 and 3.3).
A run that another program disturbed moves neither by more than one rank.

Several looks at the same pairs share the allowed chance of error equally (Bonferroni, which needs no model of how they depend on
each other).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

State = Literal["within", "beyond", "open"]


@dataclass(frozen=True, kw_only=True)
class Growth:
    """Candidate over champion, less 1: by what share a figure has grown."""

    value: float
    low: float  # may be -1 where the pairs are too few for a bound
    high: float  # infinite likewise
    pairs: int
    limit: float

    @property
    def state(self) -> State:
        """Is the whole interval beyond the limit, or within it; open: the pairs cannot tell."""
        if self.low > self.limit:
            return "beyond"
        return "within" if self.high <= self.limit else "open"

    def as_values(self) -> dict[str, Any]:
        high = self.high if math.isfinite(self.high) else None
        return {"growth": self.value, "low": self.low, "high": high, "pairs": self.pairs, "state": self.state}

    def __str__(self) -> str:
        interval = f"[{self.low:+.1%}, {self.high:+.1%}]" if math.isfinite(self.high) else "no interval"
        return f"{self.value:+.1%} ({interval}, {self.pairs} pairs)"


def growth(ratios: Sequence[float], limit: float, error: float) -> Growth:
    """From the pairs' ratios, candidate over champion, all above 0. `error`: the chance that a bound is on the wrong side."""
    logs = np.log(np.asarray(ratios, dtype=np.float64))
    places = np.triu_indices(len(logs))
    means = np.sort((logs[places[0]] + logs[places[1]]) / 2)
    left_out = means_left_out(len(logs), error)
    low, high = (-math.inf, math.inf) if left_out is None else (means[left_out], means[-1 - left_out])
    value, low, high = (float(np.expm1(log)) for log in (np.median(means), low, high))
    return Growth(value=value, low=low, high=high, pairs=len(logs), limit=limit)


def means_left_out(num_pairs: int, error: float) -> int | None:
    """How many of the sorted means lie outside of the interval on each side; None if the pairs are too few for one.

    The signed-rank statistic of no difference is at most this number with a chance of at most `error`.
    """
    chance = np.ones(1)
    for rank in range(1, num_pairs + 1):  # each rank counts or does not, with the same chance
        chance = (np.pad(chance, (0, rank)) + np.pad(chance, (rank, 0))) / 2
    return int(np.searchsorted(np.cumsum(chance), error, side="right")) - 1 if chance[0] <= error else None
