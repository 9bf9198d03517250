"""An overloaded model in virtual time: requests arrive whether or not there is room, and instances take them as from Triton.

One table and one simulation for both implementations of the bound, serving/native and serving/triton.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Protocol

import numpy as np

BOUND, MAX_ROWS, INSTANCES = 256, 1024, 2
ROW_S, BATCH_S = 0.004, 0.0001  # a graph made slow, so that refusing is quick beside answering at six times the capacity, too
REFUSAL_S = 0.00004  # processor time of one refusal over gRPC, as it was measured on Triton 2.51


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """Requests of `rows` rows, at `load` times the rate that the model can bear; every `kinds`th may share a batch."""

    rows: int
    load: float
    kinds: int = 1

    def __str__(self) -> str:
        return f"{self.rows} rows at {self.load:g}x" + f", {self.kinds} kinds" * (self.kinds > 1)

    def arrivals(self) -> np.ndarray:
        """Moments in seconds, at random and alike in every run: long enough for a queue without bound to be seen as one."""
        capacity = INSTANCES / (ROW_S * self.rows)
        longest = ROW_S * (self.rows if self.kinds > 1 else MAX_ROWS)
        span = max(20 * longest, 4 * BOUND / (capacity * abs(self.load - 1)))
        gaps = np.random.default_rng(15).exponential(1 / (capacity * self.load), size=int(span * capacity * self.load))
        return gaps.cumsum()


SCENARIOS = [Scenario(rows=rows, load=load) for rows in (1, 128, MAX_ROWS) for load in (1.5, 3.0, 6.0)]
APART = Scenario(rows=1, load=3.0, kinds=2)  # Triton lets no request share a batch that has other optional inputs


class Model(Protocol):
    """What is driven: the instances of a model."""

    def run(self, instance: int, requests: range, now_s: float, waiting: int) -> tuple[float, bool]:
        """Take a batch while so many wait behind it: when it is done, and whether it was answered, not refused."""


@dataclass(frozen=True, kw_only=True)
class Course:
    """What was seen."""

    most_waiting: int
    most_arrived: int  # during the longest batch that was answered
    answered: int
    refused: int
    goodput: float  # answered rows as a share of what the model can bear, until the last request came
    longest_refusal_s: float  # an instance did nothing but refuse


def simulate(scenario: Scenario, model: Model) -> Course:
    """Instances take what waits, first come, first served, whenever they are free, until nothing is left."""
    arrivals = scenario.arrivals()
    free, refusing = [0.0] * INSTANCES, [0.0] * INSTANCES
    taken, most_waiting, longest, longest_refusal, in_time = 0, 0, 0.0, 0.0, 0
    counts: Counter[bool] = Counter()
    while taken < len(arrivals):
        instance = free.index(min(free))
        now = max(free[instance], arrivals[taken])
        here = int(np.searchsorted(arrivals, now, side="right"))
        most_waiting = max(most_waiting, here - taken)
        batch = range(taken, taken + batch_size(scenario, taken, here))
        taken = batch.stop
        free[instance], answered = model.run(instance, batch, now, here - taken)
        counts[answered] += len(batch)
        took = free[instance] - now
        refusing[instance] = 0.0 if answered else refusing[instance] + took
        longest_refusal = max(longest_refusal, refusing[instance])
        if answered:
            longest = max(longest, took)
            in_time += len(batch) if free[instance] <= arrivals[-1] else 0
    return Course(
        most_waiting=most_waiting,
        most_arrived=int((np.searchsorted(arrivals, arrivals + longest, side="right") - np.arange(len(arrivals))).max()),
        answered=counts[True],
        refused=counts[False],
        goodput=in_time * scenario.rows * ROW_S / INSTANCES / arrivals[-1],
        longest_refusal_s=longest_refusal,
    )


def batch_size(scenario: Scenario, first: int, here: int) -> int:
    """Requests that Triton joins: of one kind, with no more rows together than a batch may have."""
    return 1 if scenario.kinds > 1 else min(here - first, MAX_ROWS // scenario.rows)
