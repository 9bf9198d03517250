"""The users' p99 when requests arrive whether or not earlier ones were answered; with a journal and without."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf, isfinite
from statistics import median

import numpy as np

from bench.figures import Figure, at_most
from bench.served.capacity import search
from bench.served.entry import say
from loadtests.limits.settings import CapacityConfig
from loadtests.perf_analyzer.analyzer import PerfAnalyzer
from loadtests.perf_analyzer.process import QueueFull
from loadtests.perf_analyzer.settings import load_perf_settings
from loadtests.verdicts.samples import count, latencies_ms


@dataclass(frozen=True, kw_only=True)
class Arrivals:
    """How requests come: `load` is a share of the rate that the server without a journal bears within its limits."""

    load: float
    pairs: int
    seconds: float
    warmup_s: float
    capacity_minutes: float
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))


def p99_figure(named: str, journalled: PerfAnalyzer, plain: PerfAnalyzer, arrivals: Arrivals, bar: float) -> Figure:
    """p99 with a journal by that without, at the same arrivals in turn. Raises ValueError if an answer was not right."""
    capacity = search(plain, load_perf_settings("capacity", CapacityConfig), arrivals.capacity_minutes).rate
    rate = capacity * arrivals.load
    sides = (journalled, plain)
    pairs = [
        [p99_ms(one, rate, arrivals.seconds, arrivals.warmup_s, arrivals.rng) for one in sides] for _ in range(arrivals.pairs)
    ]
    ratios = p99_ratios(pairs)
    ratio, ours_ms, theirs_ms = median(ratios), *(median(side) for side in zip(*pairs, strict=True))
    figure = at_most(
        f"journal: p99 by that without, over {named}, {rate:,.0f} requests/s, {arrivals.load:.0%} of the capacity",
        ratio,
        bar,
        f"{ratio:.2f}x: {ours_ms:.2f} by {theirs_ms:.2f} ms, {min(ratios):.2f} to {max(ratios):.2f} in {len(ratios)} pairs",
        f"<= {bar:g}x",
    )
    say(f"{figure.what}: {figure.figure}")
    return figure


def p99_ms(analyzer: PerfAnalyzer, rate: float, seconds: float, warmup_s: float, rng: np.random.Generator) -> float:
    """Of one run; without end where a request was refused because too many waited, with which a run ends.

    Raises ValueError if an answer was not right.
    """
    try:
        run = analyzer.open(rate, seconds, warmup_s, rng)
    except QueueFull:
        return inf
    if wrong := {name: number for name, number in count(run.samples).items() if number and name != "ok"}:
        raise ValueError(f"answers at {rate:,.0f} requests/s were not all right: {wrong}")
    return float(np.quantile(latencies_ms(run.samples, "ok"), 0.99))


def p99_ratios(pairs: Sequence[Sequence[float]]) -> list[float]:
    """The first by the second of each pair, but of those in which both were refused. Raises ValueError if none is left."""
    ratios = [ours / theirs for ours, theirs in pairs if isfinite(ours) or isfinite(theirs)]
    if not ratios:
        raise ValueError(f"requests were refused in all of {2 * len(pairs)} runs, because too many waited; is the machine busy?")
    return ratios
