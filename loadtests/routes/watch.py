"""Watches the route of a server under load: what was in force when, and what the server counted meanwhile."""

import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType

import urllib3
from urllib3.exceptions import HTTPError

from contracts.clock import clock
from contracts.serving.fuse import read_fuse
from contracts.serving.route import Route, read_route
from loadtests.observation.observe import SCRAPE_TIMEOUT_S, scrape
from loadtests.routes.in_force import Experiment, Followed, Scraped, followed_of

LOOK_S, SCRAPE_EVERY = 0.1, 5  # every so many looks the metrics are read, too
COUNTED = ("adclick_fallback_total", "adclick_shadow_total", "adclick_guard_trips_total", "adclick_unkeyed_total")
FUSE, LAPSED, CLOSED = "its fuse has blown", "the route has lapsed", "it is not open"


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """What was in force from `start_s` to `end_s`, CLOCK_MONOTONIC."""

    start_s: float
    end_s: float
    champion: int
    challenger: int | None
    route: Route | None  # None: not known here
    off: str = ""  # why the challenger does not take part; empty where it does

    def is_like(self, other: "Stretch") -> bool:
        return replace(self, start_s=0.0, end_s=0.0) == replace(other, start_s=0.0, end_s=0.0)


@dataclass(kw_only=True)
class WatchedRoute:
    """Looks from entry until `finish`, or exit, in a thread."""

    experiment: Experiment
    file: Path | None  # of the route, if it lies here
    metrics_url: str
    stretches: list[Stretch] = field(default_factory=list, init=False)
    counted: dict[str, dict[str, int]] = field(default_factory=dict, init=False)  # gained, by metric and label
    lag_s: float | None = field(default=None, init=False)  # longest until the server followed a new file; None: there was none
    _ended: threading.Event = field(default_factory=threading.Event, init=False)

    def __enter__(self) -> "WatchedRoute":
        self._pool = urllib3.PoolManager(timeout=SCRAPE_TIMEOUT_S, retries=False, maxsize=1)
        self._route, self._written_s = self.experiment.route, None
        self._before = self._scraped() or {}
        self._followed = followed_of(self._before)
        self._look()
        self._thread = threading.Thread(target=self._watch, name="route watch", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.finish()

    def finish(self) -> None:
        """Look a last time, when all requests are answered."""
        if self._ended.is_set():
            return
        self._ended.set()
        self._thread.join(2 * SCRAPE_TIMEOUT_S)
        time.sleep(2 * LOOK_S)  # the server hands its counts on ten times a second
        after = self._scraped() or {}
        self._see(after)
        self._look()
        self.counted = {name: gained(self._before.get(name, {}), after.get(name, {})) for name in COUNTED}
        self._pool.clear()

    def _watch(self) -> None:
        looks = 0
        while not self._ended.wait(LOOK_S):
            looks += 1
            if looks % SCRAPE_EVERY == 0:
                self._see(self._scraped())
            self._look()

    def _scraped(self) -> Scraped | None:
        try:
            return scrape(self._pool, self.metrics_url)
        except (HTTPError, ValueError):
            return None

    def _see(self, found: Scraped | None) -> None:
        followed = None if found is None else followed_of(found)
        if followed is None:
            return
        self._followed = followed
        if self._written_s is not None:
            self.lag_s = max(self.lag_s or 0.0, time.monotonic() - self._written_s)
            if self._route is not None and followed.digest == self._route.digest:
                self._written_s = None

    def _look(self) -> None:
        """Lengthen the stretch, or begin another."""
        now_s = time.monotonic()
        now = self._now(now_s)
        if self.stretches and self.stretches[-1].is_like(now):
            self.stretches[-1] = replace(self.stretches[-1], end_s=now_s)
            return
        if self.stretches:
            last = self.stretches[-1]
            self.stretches[-1] = replace(last, end_s=now_s)
            if now.off and now.challenger is not None and last.route != now.route:  # it may have taken part since the last look
                self.stretches.append(replace(now, start_s=last.end_s, off=""))
        self.stretches.append(now)

    def _now(self, now_s: float) -> Stretch:
        followed = self._followed
        if self.file is None or self.experiment.route is None:
            return of_metrics(self.experiment, followed, now_s)
        self._read(self.file, now_s)
        route = self._route
        known = replace(route, trial=replace(route.trial, valid_until_ms=0)) if route.trial is not None else route
        return Stretch(
            start_s=now_s,
            end_s=now_s,
            champion=route.champion,
            challenger=None if route.trial is None else route.trial.challenger,
            route=known,  # without its end: one that is renewed is the same
            off=why_off(self.file, route, followed),
        )

    def _read(self, file: Path, now_s: float) -> None:
        """Take the file as it is now; one that is broken, or gone, leaves the route before in force."""
        try:
            route = read_route(file)
        except (ValueError, OSError):
            return
        if route is None:
            return
        if route.digest != self._route.digest:
            self._written_s = now_s
        self._route = route


def of_metrics(experiment: Experiment, followed: Followed | None, now_s: float) -> Stretch:
    """What the metrics alone say."""
    champion, challenger, is_open = experiment.champion, experiment.challenger, experiment.is_open
    if followed is not None:
        champion, challenger, is_open = followed.champion, followed.challenger, followed.is_open
    off = "" if is_open or challenger is None else CLOSED
    return Stretch(start_s=now_s, end_s=now_s, champion=champion, challenger=challenger, route=None, off=off)


def why_off(file: Path, route: Route, followed: Followed | None) -> str:
    """Why the champion answers everybody although the route has a challenger; empty if it does not."""
    if route.trial is None:
        return ""
    if (fuse := read_fuse(file.parent, route.digest)) is not None:
        return f"{FUSE} ({fuse.reason})"
    if clock().now_ns() // 1_000_000 >= route.trial.valid_until_ms:
        return LAPSED
    is_closed = followed is not None and followed.digest == route.digest and not followed.is_open
    return CLOSED if is_closed else ""


def gained(before: dict[str, float], after: dict[str, float]) -> dict[str, int]:
    """By what a counter grew, by its own label, models and versions added up. One that fell began anew."""
    found: dict[str, int] = {}
    for labels, value in after.items():
        own = ",".join(pair.partition("=")[2] for pair in labels.split(",") if not pair.startswith(("model=", "version=")))
        start = before.get(labels, 0.0)
        found[own] = found.get(own, 0) + round(value - start if value >= start else value)
    return found
