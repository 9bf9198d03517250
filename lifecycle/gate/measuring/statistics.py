"""By how much is the candidate worse than the champion, and may chance alone have made it so.

A figure is measured in pairs, candidate and champion one right after the other, and a coin says which of them is first. So if
both are equal, the logarithm of a pair's ratio is as often above 0 as below, by as much, whatever noise there is and however
the pairs depend on each other. The estimate is the Hodges-Lehmann one, the median of the means of all two pairs; its interval
is that of Wilcoxon's signed-rank test, exact for any number of pairs (Hollander, Wolfe and Chicken 2014, sections 3.2 and 3.3).
A pair that another program disturbed moves neither by more than one rank.

Several looks at the pairs share the allowed chance of error equally (Bonferroni, which needs no model of how they depend on each
other). What a process's place in memory does to its speed is the same for all pairs of a round and drawn anew in the next, since
that has servers of its own; so a figure is beyond its limit only if the estimate of every round is, too.
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
    rounds: tuple[float, ...]  # the estimate of each round alone

    @property
    def state(self) -> State:
        """Are the whole interval and every round beyond the limit, or is the interval within it; open: the pairs cannot tell."""
        if self.low > self.limit and min(self.rounds) > self.limit:
            return "beyond"
        return "within" if self.high <= self.limit else "open"

    def as_values(self) -> dict[str, Any]:
        high = self.high if math.isfinite(self.high) else None
        shown = {"growth": self.value, "low": self.low, "high": high, "pairs": self.pairs, "rounds": list(self.rounds)}
        return shown | {"state": self.state}

    def __str__(self) -> str:
        interval = f"[{self.low:+.1%}, {self.high:+.1%}]" if math.isfinite(self.high) else "no interval"
        return f"{self.value:+.1%} {interval}"


def growth(rounds: Sequence[Sequence[float]], limit: float, error: float) -> Growth:
    """From the ratios of each round's pairs, candidate over champion, all above 0. `error`: the chance that the lower bound is
    too high, and that the upper one is too low.
    """
    logs = [np.log(np.asarray(ratios, dtype=np.float64)) for ratios in rounds]
    means = means_of_two(np.concatenate(logs))
    number = sum(len(some) for some in logs)
    left_out = means_left_out(number, error)
    low, high = (-math.inf, math.inf) if left_out is None else (means[left_out], means[-1 - left_out])
    return Growth(
        value=_share(np.median(means)),
        low=_share(low),
        high=_share(high),
        pairs=number,
        limit=limit,
        rounds=tuple(_share(np.median(means_of_two(some))) for some in logs),
    )


def means_of_two(values: np.ndarray) -> np.ndarray:
    """The means of all two values, each with itself as well, ascending."""
    first, second = np.triu_indices(len(values))
    return np.sort((values[first] + values[second]) / 2)


def _share(log: Any) -> float:
    return float(np.expm1(log))


def means_left_out(num_pairs: int, error: float) -> int | None:
    """How many of the sorted means lie outside of the interval on each side; None if the pairs are too few for one.

    The signed-rank statistic of no difference is at most this number with a chance of at most `error`.
    """
    chance = np.ones(1)
    for rank in range(1, num_pairs + 1):  # each rank counts or does not, with the same chance
        chance = (np.pad(chance, (0, rank)) + np.pad(chance, (rank, 0))) / 2
    return int(np.searchsorted(np.cumsum(chance), error, side="right")) - 1 if chance[0] <= error else None
