"""Figures of a load run from its raw samples, all by array operations: five million samples take seconds.

Latency is `done_s - intended_s`: a request that had to wait because the ones before it were slow waited, whoever made it
wait. Shape letters: R requests, T steps of time.
"""

import math
from dataclasses import dataclass

import numpy as np

from loadtests.requests.prepared_request import KINDS
from loadtests.verdicts.latency import CONFIDENCE_Z, Quantile, quantile
from loadtests.verdicts.samples import OUTCOMES, Window

SHOWN = (0.5, 0.9, 0.95, 0.99, 0.999, 0.9999)
OVER_TIME = (0.5, 0.95, 0.99)
STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)
MAX_STEPS = 400  # more points than a figure has room for
CURVE_POINTS = 400
OK, UNSENT = OUTCOMES.index("ok"), OUTCOMES.index("unsent")


@dataclass(frozen=True, kw_only=True)
class OverTime:
    """The measured window in steps of `step_s` seconds. NaN where a step has too few requests."""

    step_s: float  # the last one may be up to half as long again
    end_s: float  # seconds of the window
    seconds_T: np.ndarray  # begin of each step since that of the window
    intended_T: np.ndarray  # requests a second that were to be sent in the step
    ended_T: dict[str, np.ndarray]  # requests a second that ended in it, by outcome
    latency_ms_T: dict[float, np.ndarray]  # by quantile, of good answers to requests that were to be sent in the step


@dataclass(frozen=True, kw_only=True)
class Part:
    """Good answers of one kind, or all."""

    name: str
    num_samples: int
    per_s: float | None
    mean_ms: float | None
    quantiles: tuple[Quantile, ...]
    max_ms: float | None


def latency_ms(samples: np.ndarray) -> np.ndarray:
    return (samples["done_s"] - samples["intended_s"]) * 1e3


def good(samples: np.ndarray) -> np.ndarray:
    """The samples whose answer was there and right."""
    return samples[samples["outcome"] == OK]


def part(name: str, answered: np.ndarray, seconds: float) -> Part:
    """`seconds`: in which they were due."""
    found = latency_ms(answered)
    return Part(
        name=name,
        num_samples=len(found),
        per_s=len(found) / seconds if seconds else None,
        mean_ms=float(found.mean()) if len(found) else None,
        quantiles=tuple(quantile(found, q) for q in SHOWN),
        max_ms=float(found.max()) if len(found) else None,
    )


def parts(answered: np.ndarray, seconds: float) -> dict[str, list[Part]]:
    """Good answers by kind, by rows a request, and by both; empty where there is one of them only."""
    kinds, rows = np.unique(answered["kind"]), size_classes(answered["rows"])
    of_kind = {KINDS[kind]: answered["kind"] == kind for kind in kinds}
    return {
        "Kind": [part(name, answered[which], seconds) for name, which in of_kind.items()] if len(of_kind) > 1 else [],
        "Rows a request": [part(name, answered[which], seconds) for name, which in rows.items()] if len(rows) > 1 else [],
        "Kind and rows": [
            part(f"{kind}, {size}", answered[of_one & of_size], seconds)
            for kind, of_one in of_kind.items()
            for size, of_size in rows.items()
            if (of_one & of_size).any()
        ]
        if len(of_kind) > 1 and len(rows) > 1
        else [],
    }


def size_classes(rows_R: np.ndarray, max_classes: int = 8) -> dict[str, np.ndarray]:
    """Which requests have so many rows: each number by itself, or powers of two where there are too many numbers."""
    sizes = np.unique(rows_R)
    if len(sizes) <= max_classes:
        return {str(size): rows_R == size for size in sizes}
    powers_R = np.floor(np.log2(np.maximum(rows_R, 1))).astype(int)
    found = {power: powers_R == power for power in np.unique(powers_R)}
    return {f"{2**power} to {2 ** (power + 1) - 1}" if power else "1": which for power, which in found.items()}


def step_length(duration_s: float) -> float:
    """The finest step that leaves room in a figure."""
    return float(next((step for step in STEPS_S if duration_s / step <= MAX_STEPS), math.ceil(duration_s / MAX_STEPS)))


def over_time(samples: np.ndarray, window: Window) -> OverTime:
    """The window in steps; what ended after it is not in the rates. `samples` fell due in the window."""
    step_s = step_length(window.seconds)
    num_steps = max(round(window.seconds / step_s), 1)
    width_T = np.full(num_steps, step_s)
    width_T[-1] = window.seconds - step_s * (num_steps - 1)  # the last one takes what is left
    due_R = np.minimum((samples["intended_s"] - window.start_s) // step_s, num_steps - 1).astype(np.int64)
    ended = samples[(samples["outcome"] != UNSENT) & (samples["done_s"] < window.end_s)]
    done_R = np.minimum((ended["done_s"] - window.start_s) // step_s, num_steps - 1).astype(np.int64)
    fine = samples["outcome"] == OK
    return OverTime(
        step_s=step_s,
        end_s=window.seconds,
        seconds_T=np.arange(num_steps) * step_s,
        intended_T=np.bincount(due_R, minlength=num_steps) / width_T,
        ended_T={
            OUTCOMES[outcome]: np.bincount(done_R[ended["outcome"] == outcome], minlength=num_steps) / width_T
            for outcome in np.unique(ended["outcome"])
        },
        latency_ms_T=quantiles_by_step(due_R[fine], latency_ms(samples[fine]), num_steps),
    )


def quantiles_by_step(step_R: np.ndarray, latency_ms_R: np.ndarray, num_steps: int) -> dict[float, np.ndarray]:
    """Quantiles [T] of the requests of each step; NaN where less than one request is expected beyond."""
    order = np.lexsort((latency_ms_R, step_R))
    sorted_ms = latency_ms_R[order]
    count_T = np.bincount(step_R, minlength=num_steps)
    first_T = np.concatenate([[0], np.cumsum(count_T)[:-1]])
    found = {}
    for q in OVER_TIME:
        enough_T = np.round(count_T * (1 - q), 9) >= 1
        place_T = first_T + np.ceil(count_T * q).astype(np.int64) - 1
        found[q] = np.full(num_steps, np.nan)
        found[q][enough_T] = sorted_ms[place_T[enough_T]]
    return found


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Latency over the number of nines, x = -log10(1 - q): 2 is p99. The interval is NaN where nothing is claimed."""

    nines: np.ndarray
    ms: np.ndarray
    low_ms: np.ndarray
    high_ms: np.ndarray


def percentile_curve(latency_ms_R: np.ndarray) -> Curve:
    """The sample quantiles up to the largest latency, with the intervals of `loadtests.verdicts.latency.quantile`."""
    n = len(latency_ms_R)
    sorted_ms = np.sort(latency_ms_R)
    nines = np.linspace(0, math.log10(n), min(CURVE_POINTS, n)) if n else np.empty(0)
    q = 1 - 10.0**-nines
    spread = CONFIDENCE_Z * np.sqrt(n * q * (1 - q))
    lower, upper = np.floor(n * q - spread).astype(np.int64) - 1, np.ceil(n * q + spread).astype(np.int64)
    claimed = (lower >= 0) & (upper <= n - 1)
    bound = [np.where(claimed, sorted_ms[np.clip(place, 0, max(n - 1, 0))], np.nan) for place in (lower, upper)] if n else [q, q]
    place = np.clip(np.ceil(n * q).astype(np.int64) - 1, 0, max(n - 1, 0))
    place[-1:] = n - 1  # the largest, at 1 - 1/n
    return Curve(nines=nines, ms=sorted_ms[place], low_ms=bound[0], high_ms=bound[1])


def histogram(latency_ms_R: np.ndarray, num_bins: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Counts in bins that are equally wide on a logarithmic scale, and the edges in ms (one more than bins)."""
    shown = np.maximum(latency_ms_R, 1e-3)  # a clock may say zero
    low, high = np.log10(shown.min()), np.log10(shown.max())
    return np.histogram(shown, bins=np.logspace(low - 0.01, high + 0.01, num_bins + 1))


@dataclass(frozen=True, kw_only=True)
class Sending:
    """How well the load generator kept its times."""

    num_sent: int
    num_not_sent: int  # were due, but the load generator had no room or no time
    late_ms: tuple[Quantile, ...]  # sent - intended: p50, p99, p99.9
    max_late_ms: float | None


def sending(samples: np.ndarray) -> Sending:
    sent = samples[samples["outcome"] != UNSENT]
    late_ms = (sent["sent_s"] - sent["intended_s"]) * 1e3
    return Sending(
        num_sent=len(sent),
        num_not_sent=len(samples) - len(sent),
        late_ms=tuple(quantile(late_ms, q) for q in (0.5, 0.99, 0.999)),
        max_late_ms=float(late_ms.max()) if len(late_ms) else None,
    )
