"""A spike of many times the capacity in the middle of normal load: how quickly is the excess refused, and when is it over."""

from dataclasses import dataclass

import numpy as np

from loadtests.limits.settings import SpikeConfig
from loadtests.verdicts.latency import quantile
from loadtests.verdicts.samples import count, latencies_ms

STEP_S = 0.5  # of time in which p99 is looked at after the spike
STEADY_STEPS = 2  # so many of them in a row make a recovery
TIMES_BEFORE = 2.0  # p99 that counts as recovered, by that before the spike


def arrivals(config: SpikeConfig, capacity: float, rng: np.random.Generator) -> np.ndarray:
    """Moments at which requests are due, seconds from the start, ascending: normal load, the spike, normal load."""
    normal = config.normal_share * capacity
    parts, begin = [], 0.0
    for seconds, rate in (
        (config.before_s, normal),
        (config.spike_s, config.spike_times * capacity),
        (config.after_s, normal),
    ):
        parts.append(begin + np.sort(rng.uniform(0, seconds, round(rate * seconds))))
        begin += seconds
    return np.concatenate(parts)


@dataclass(frozen=True, kw_only=True)
class Spiked:
    """What a spike measured: samples in order of intended_s, and when the spike began and ended, CLOCK_MONOTONIC."""

    samples: np.ndarray
    began_s: float
    ended_s: float

    @property
    def before(self) -> np.ndarray:
        return self.samples[self.samples["intended_s"] < self.began_s]

    @property
    def spike(self) -> np.ndarray:
        due = self.samples["intended_s"]
        return self.samples[(due >= self.began_s) & (due < self.ended_s)]

    @property
    def after(self) -> np.ndarray:
        return self.samples[self.samples["intended_s"] >= self.ended_s]

    @property
    def before_p99_ms(self) -> float:
        """Raises ValueError if too few requests were answered before the spike."""
        p99 = quantile(latencies_ms(self.before, "ok"), 0.99)
        if p99.ms is None:
            raise ValueError(f"{p99} before the spike; make before_s longer")
        return p99.ms

    def recovered_s(self) -> float | None:
        """Seconds from the end of the spike until p99 is no more than TIMES_BEFORE what it was and nothing fails.

        The start of the first of STEADY_STEPS good steps in a row; None if there are none.
        """
        limit = TIMES_BEFORE * self.before_p99_ms
        after = self.after
        steps = np.floor((after["intended_s"] - self.ended_s) / STEP_S).astype(int)
        good = []
        for step in range(int(steps.max(initial=-1)) + 1):
            some = after[steps == step]
            numbers = count(some)
            right = latencies_ms(some, "ok")
            good.append(len(some) > 0 and numbers["ok"] == len(some) and float(np.quantile(right, 0.99)) <= limit)
        for step in range(len(good) - STEADY_STEPS + 1):
            if all(good[step : step + STEADY_STEPS]):
                return step * STEP_S
        return None


def refusals_ms(samples: np.ndarray) -> np.ndarray:
    """Milliseconds from sending a request until the server said that it has no room, float64."""
    sent = samples.copy()
    sent["intended_s"] = sent["sent_s"]
    return latencies_ms(sent, "overloaded")
