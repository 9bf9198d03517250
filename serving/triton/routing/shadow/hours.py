"""What became of shadow work, counted for Prometheus and, by hour, for the journal."""

import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

DONE, FAILED, DROPPED_BY_KEY, DROPPED_FULL = OUTCOMES = ("done", "failed", "dropped_by_key", "dropped_full")
TOTAL = "adclick_shadow_total"


class ShadowHours:
    """`count` is Counters'; `tell` takes an event for the journal; `now_ns` is the clock. For several threads."""

    def __init__(
        self, count: Callable[..., None], tell: Callable[[dict[str, Any]], None], now_ns: Callable[[], int],
        route: Callable[[], str],
    ) -> None:  # fmt: skip
        self._count, self._tell, self._now_ns, self._route = count, tell, now_ns, route
        self._lock, self._hour = threading.Lock(), hour_of(now_ns())
        self._found: Counter[str] = Counter()

    def count(self, outcome: str, requests: int = 1) -> None:
        if requests:
            self._count(TOTAL, requests, outcome=outcome)
            with self._lock:
                self._found[outcome] += requests

    def look(self) -> None:
        """Tell of the hour if it is over."""
        if hour_of(self._now_ns()) != self._hour:
            self.close()

    def close(self) -> None:
        """Tell of the hour so far, if there is something to be told."""
        with self._lock:
            hour, found = self._hour, self._found
            self._hour, self._found = hour_of(self._now_ns()), Counter()
        if found:
            counted = {outcome: found[outcome] for outcome in OUTCOMES}
            self._tell({"at_ns": self._now_ns(), "event": "shadow_hour", "route": self._route(), "hour": hour, **counted})


def hour_of(ns: int) -> str:
    return f"{datetime.fromtimestamp(ns // 1_000_000_000, UTC):%Y-%m-%dT%H}"
