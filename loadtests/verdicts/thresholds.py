"""What a run measured, held against its limits."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from loadtests.settings import Thresholds
from loadtests.verdicts.latency import Quantile, quantile
from loadtests.verdicts.samples import OUTCOMES, Window, count, latencies_ms

ERRORS = ("wrong", "answered_malformed", "failed", "unknown", "unsent")
ANSWERED = ("ok", "wrong")


@dataclass(frozen=True, kw_only=True)
class RunMeasurement:
    """The figures of a run's measured window."""

    window: Window
    counts: dict[str, int]  # requests by outcome
    num_malformed: int
    num_malformed_unseen: int  # of those, by a model: they were not sent, or the queue was full
    rows: int  # that were answered rightly within the window
    requests: int  # that were answered, or refused as they should be, within the window
    latencies: dict[str, Quantile]  # p50, p95, p99 of what was answered
    overloaded: Quantile  # p95 of how long the full queue took to say so
    lateness: dict[str, Quantile]  # p50, p99 of how late requests were sent that were due at a rate

    @property
    def num_requests(self) -> int:
        return sum(self.counts.values())

    def share(self, *outcomes: str) -> float:
        """Of all requests; 0 where there were none."""
        return sum(self.counts[outcome] for outcome in outcomes) / max(self.num_requests, 1)

    @property
    def rows_per_s(self) -> float:
        return self.rows / self.window.seconds

    @property
    def requests_per_s(self) -> float:
        return self.requests / self.window.seconds

    def figures(self) -> dict[str, dict[str, float | None]]:
        """`value`, `low` and `high` by name, for the comparison with other runs; None where nothing can be claimed."""
        rates = {name: getattr(self, name) if self.window.seconds else None for name in ("rows_per_s", "requests_per_s")}
        shares = {"error_share": self.share(*ERRORS), "overloaded_share": self.share("overloaded")}
        timed = {name: {"value": one.ms, "low": one.low_ms, "high": one.high_ms} for name, one in self.latencies.items()}
        return timed | {name: {"value": value, "low": None, "high": None} for name, value in (rates | shares).items()}


@dataclass(frozen=True, kw_only=True)
class Check:
    """One limit: what was measured and whether it is kept."""

    name: str
    measured: float | None  # None: nothing can be said
    low: float | None = None  # of the interval, where there is one
    high: float | None = None
    limit: float
    at_least: bool = False  # the limit is the least that is allowed, not the most
    reason: str  # the numbers behind what was measured
    shown: str  # what was measured, with unit

    @property
    def met(self) -> bool:
        if self.measured is None:
            return False
        return self.measured >= self.limit if self.at_least else self.measured <= self.limit

    def __str__(self) -> str:
        sign, word = "at least" if self.at_least else "at most", "met" if self.met else "MISSED"
        return f"{self.name:<18} {self.shown} ({self.reason}); {sign} {self.limit:g}: {word}"

    def as_values(self) -> dict[str, Any]:
        return asdict(self) | {"met": self.met}


def measure(samples: np.ndarray, window: Window) -> RunMeasurement:
    """The figures of samples that fell due in the window."""
    done = samples[samples["done_s"] < window.end_s]
    right, refused = (done["outcome"] == OUTCOMES.index(name) for name in ("ok", "refused"))
    answered, overloaded = latencies_ms(samples, *ANSWERED), latencies_ms(samples, "overloaded")
    late_ms = (samples["sent_s"] - samples["intended_s"])[samples["outcome"] != OUTCOMES.index("unsent")] * 1e3
    malformed = samples[samples["malformed"]]
    return RunMeasurement(
        window=window,
        counts=count(samples),
        num_malformed=len(malformed),
        num_malformed_unseen=sum(count(malformed)[name] for name in ("overloaded", "unsent")),
        rows=int(done["rows"][right].sum()),
        requests=int((right | refused).sum()),
        latencies={f"p{q}_ms": quantile(answered, q / 100) for q in (50, 95, 99)},
        overloaded=quantile(overloaded, 0.95),
        lateness={f"p{q}_ms": quantile(late_ms, q / 100) for q in (50, 99)},
    )


def judge(measured: RunMeasurement, limits: Thresholds) -> list[Check]:
    """A check for each limit that is set. What was measured too little to say is not kept."""
    return [*_percentiles(measured, limits), *_rates(measured, limits), *_shares(measured, limits)]


def _percentiles(measured: RunMeasurement, limits: Thresholds) -> Iterator[Check]:
    for name, found in measured.latencies.items():
        if getattr(limits, name) is not None:
            yield _percentile(name, found, getattr(limits, name), "answered requests")
    if limits.overloaded_p95_ms is not None and measured.counts["overloaded"]:
        yield _percentile("overloaded_p95_ms", measured.overloaded, limits.overloaded_p95_ms, "refusals of the full queue")


def _percentile(name: str, found: Quantile, limit: float, of: str) -> Check:
    shown = "not claimed" if found.ms is None else f"{found.ms:.2f} ms [{found.low_ms:.2f}, {found.high_ms:.2f}]"
    few = ", too few" if found.ms is None else ""
    reason = f"{found.num_samples:,} {of}{few}"
    return Check(name=name, measured=found.ms, low=found.low_ms, high=found.high_ms, limit=limit, reason=reason, shown=shown)


def _rates(measured: RunMeasurement, limits: Thresholds) -> Iterator[Check]:
    for name, unit in (("rows_per_s", "rows/s"), ("requests_per_s", "requests/s")):
        limit, found = getattr(limits, name), getattr(measured, name)
        if limit is not None:
            reason = f"over {measured.window.seconds:.1f} s"
            yield Check(name=name, measured=found, limit=limit, at_least=True, reason=reason, shown=f"{found:,.0f} {unit}")


def _shares(measured: RunMeasurement, limits: Thresholds) -> Iterator[Check]:
    counts, total = measured.counts, measured.num_requests
    errors = sum(counts[name] for name in ERRORS)
    kinds = "".join(f", {counts[name]:,} {name}" for name in ERRORS if counts[name])
    if limits.error_share is not None:
        yield _share("error_share", errors, total, f"of {total:,} requests{kinds}", limits.error_share)
    if limits.overloaded_share is not None:
        yield _share("overloaded_share", counts["overloaded"], total, f"of {total:,} requests", limits.overloaded_share)
    judged = measured.num_malformed - measured.num_malformed_unseen
    if limits.refused_share is not None and measured.num_malformed:
        reason = f"of {judged:,} malformed requests"
        yield _share("refused_share", counts["refused"], judged, reason, limits.refused_share, at_least=True)


def _share(name: str, number: int, total: int, reason: str, limit: float, at_least: bool = False) -> Check:
    share = number / total if total else None
    shown = "not claimed" if share is None else f"{share:.4%}"
    return Check(name=name, measured=share, limit=limit, at_least=at_least, reason=f"{number:,} {reason}", shown=shown)
