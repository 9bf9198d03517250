"""Whether a challenger may go on, from what was seen of it; serving/native/routing/ judges the same.

Two records are kept: how its own requests went, and rows that both arms computed.
"""

import math
import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from contracts.serving.route import Limits

WINDOW, JUDGED_FROM = 200, 20  # of the challenger's requests, the last so many; from so many on they are judged
ROWS, ROWS_FROM = 256, 100  # that both arms computed
RATIOS, RATIOS_FROM = 200, 30  # of computing times
DISTINCT_FROM = 16  # so few answers of the champion say nothing of how many there should be
SEVERAL = 3  # time-outs or errors, before they say something of their share
P99_FROM = 100  # requests
FINE, ERROR, TIMEOUT = range(3)
Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, kw_only=True)
class Trip:
    """Why a challenger is put off."""

    reason: str
    evidence: dict[str, Any]


class Guards:
    """Of one challenger in one process; for several threads. What is added says at once whether it is too much."""

    def __init__(self, limits: Limits) -> None:
        self._limits, self._lock = limits, threading.Lock()
        self._seen: deque[tuple[int, float | None]] = deque(maxlen=WINDOW)  # what became of a request, milliseconds it took
        self._rows: deque[tuple[float, float]] = deque(maxlen=ROWS)  # champion's and challenger's answer
        self._ratios: deque[float] = deque(maxlen=RATIOS)

    def requests(self, outcomes: Iterable[tuple[int, float | None]]) -> Trip | None:
        """Add requests of the challenger's: FINE, ERROR or TIMEOUT, and milliseconds; None where nobody waited."""
        with self._lock:
            self._seen.extend(outcomes)
            return self._shares() or self._p99() if len(self._seen) >= JUDGED_FROM else None

    def pair(self, champion_N: Array, challenger_N: Array, times: tuple[float, float] | None) -> Trip | None:
        """Add rows that both answered, finite numbers, and the computing times of champion and challenger for just these rows."""
        with self._lock:
            self._rows.extend(zip(champion_N.tolist(), challenger_N.tolist(), strict=True))
            if times is not None and times[0] > 0:
                self._ratios.append(times[1] / times[0])
            return self._means() or self._distinct() or self._slowdown()

    def _shares(self) -> Trip | None:
        number, limits = len(self._seen), self._limits
        for reason, outcome, most in (
            ("errors", ERROR, limits.max_error_share),
            ("timeouts", TIMEOUT, limits.max_timeout_share),
        ):
            found = sum(seen == outcome for seen, _ in self._seen)
            if found >= SEVERAL and found > float(most) * number:
                return Trip(reason=reason, evidence={"requests": number, reason: found, "max_share": float(most)})
        return None

    def _p99(self) -> Trip | None:
        times = sorted(ms for _, ms in self._seen if ms is not None)
        slow = sum(ms > self._limits.max_p99_ms for ms in times)
        if len(times) < P99_FROM or slow <= 0.01 * len(times):
            return None
        p99 = times[math.ceil(0.99 * len(times)) - 1]
        evidence = {"requests": len(times), "slower": slow, "p99_ms": round(p99, 3), "max_p99_ms": self._limits.max_p99_ms}
        return Trip(reason="p99", evidence=evidence)

    def _means(self) -> Trip | None:
        if len(self._rows) < ROWS_FROM:
            return None
        champion, challenger = np.array(self._rows).mean(axis=0).tolist()
        most = float(self._limits.max_mean_ratio)
        if challenger <= champion * most and champion <= challenger * most:
            return None
        evidence = {"rows": len(self._rows), "champion_mean": champion, "challenger_mean": challenger, "max_mean_ratio": most}
        return Trip(reason="mean", evidence=evidence)

    def _distinct(self) -> Trip | None:
        if len(self._rows) < ROWS_FROM:
            return None
        champion, challenger = (len({*answers}) for answers in zip(*self._rows, strict=True))
        least = float(self._limits.min_distinct_ratio)
        if champion < DISTINCT_FROM or challenger >= least * champion:
            return None
        evidence = {"rows": len(self._rows), "champion_distinct": champion, "challenger_distinct": challenger}
        return Trip(reason="distinct", evidence=evidence | {"min_distinct_ratio": least})

    def _slowdown(self) -> Trip | None:
        if len(self._ratios) < RATIOS_FROM:
            return None
        found, most = median(self._ratios), float(self._limits.max_slowdown)
        if found <= most:
            return None
        evidence = {"pairs": len(self._ratios), "median_ratio": round(found, 3), "max_slowdown": most}
        return Trip(reason="slowdown", evidence=evidence)
