"""The highest rate of requests that a service still bears: exponential growth, then bisection, each rate tried several times.

Whether a rate is borne is told by its own runs alone: p99 of the latency from when requests were due, wrong or failed
requests, and how many were answered of those that were asked.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from pydantic import Field
from pydantic.dataclasses import dataclass as checked

from loadtests.perf_analyzer.analyzer import AnalyzerRun
from loadtests.perf_analyzer.settings import STRICT
from loadtests.verdicts.latency import quantile
from loadtests.verdicts.samples import count, latencies_ms


@checked(frozen=True, kw_only=True, config=STRICT)
class CapacityLimits:
    """What a rate must keep to be borne. The meaning of each key stands in conf/loadtest/bench/capacity.yaml."""

    p99_ms: float = Field(gt=0)
    error_share: float = Field(ge=0, lt=1)
    achieved_share: float = Field(gt=0, le=1)


@dataclass(frozen=True, kw_only=True)
class RateTrial:
    """One run at a rate. `broken` says which limit it broke; empty if none."""

    rate: float  # asked, requests a second
    achieved: float = 0.0  # answered in the measured time, requests a second
    p99_ms: float = math.nan
    late_p99_ms: float = math.nan  # of the generator
    cpu_share: float = math.nan  # cores that the generator used
    broken: str = ""


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """What a search found."""

    rate: float  # the highest that was borne, requests a second; 0 if none
    refused: float | None  # the lowest above it that was not; None if none was tried
    trials: list[RateTrial]
    out_of_time: bool

    def of(self, rate: float) -> list[RateTrial]:
        """The runs at a rate that agree with its verdict."""
        return [trial for trial in self.trials if trial.rate == rate and (not trial.broken) == (rate <= self.rate)]


def judged(rate: float, load: AnalyzerRun, limits: CapacityLimits) -> RateTrial:
    """Does the run keep the limits. A p99 that too few requests would have to carry is not kept."""
    numbers = count(load.samples)
    errors = len(load.samples) - numbers["ok"]
    p99, late = quantile(latencies_ms(load.samples, "ok"), 0.99), quantile(load.late_ms, 0.99)
    broken = ""
    if errors > limits.error_share * len(load.samples):
        broken = f"{errors:,} of {len(load.samples):,} requests not answered rightly"
    elif load.requests_per_s < limits.achieved_share * rate:
        broken = f"{load.requests_per_s:,.0f} of {rate:,.0f} requests/s answered"
    elif p99.ms is None or p99.ms > limits.p99_ms:
        broken = str(p99)
    return RateTrial(
        rate=rate,
        achieved=load.requests_per_s,
        p99_ms=math.nan if p99.ms is None else p99.ms,
        late_p99_ms=math.nan if late.ms is None else late.ms,
        cpu_share=load.cpu_s / load.wall_s,
        broken=broken,
    )


@dataclass(kw_only=True)
class Search:
    """Finds the capacity with `run`, which tries a rate once."""

    run: Callable[[float], RateTrial]
    start: float  # first rate that is tried
    growth: float  # by which the rate grows while it is borne, and shrinks while it is not
    accuracy: float  # of the result: the next rate that is not borne is at most so much above, as a share
    votes: int  # runs of a rate, odd: more than half of them tell
    minutes: float  # no rate is begun after that time
    lowest: float = 1.0
    highest: float = 1e6
    clock: Callable[[], float] = time.monotonic
    say: Callable[[str], None] = lambda text: None
    trials: list[RateTrial] = field(default_factory=list, init=False)

    def capacity(self) -> Capacity:
        self._end = self.clock() + self.minutes * 60
        borne, refused = 0.0, None
        rate: float | None = self.start
        while rate is not None and self.clock() < self._end:
            if self._borne(rate):
                borne = rate
            else:
                refused = rate
            rate = self._next(borne, refused)
        return Capacity(rate=borne, refused=refused, trials=self.trials, out_of_time=rate is not None)

    def _next(self, borne: float, refused: float | None) -> float | None:
        """The rate to try; None when the answer is known."""
        if refused is None:
            return borne * self.growth if borne * self.growth <= self.highest else None
        if borne == 0:
            return refused / self.growth if refused / self.growth >= self.lowest else None
        return None if refused / borne <= 1 + self.accuracy else math.sqrt(borne * refused)

    def _borne(self, rate: float) -> bool:
        needed = self.votes // 2 + 1
        yes = no = 0
        while max(yes, no) < needed:
            trial = self.run(rate)
            self.trials.append(trial)
            yes, no = yes + (not trial.broken), no + bool(trial.broken)
        shown = f"borne, p99 {trial.p99_ms:.1f} ms" if yes > no else f"not borne: {trial.broken}"  # the last run tipped it
        self.say(f"{rate:,.0f} requests/s {shown} ({yes + no} runs)")
        return yes > no
