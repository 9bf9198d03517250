"""The thread that looks at the route's file and its fuse, and puts in force what they say."""

import os
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from contracts.clock import Clock
from contracts.serving.fuse import fuse_path, shown, write_fuse
from contracts.serving.route import NO_ROUTE, Route, read_route
from serving.triton.routing.guards import Trip
from serving.triton.routing.open_release import OpenRelease
from serving.triton.routing.opener import Opener
from serving.triton.routing.table import Challenge, InForce, Table

LOOK_S = 0.2
RETRY_S, RETRY_MOST_S = 2.0, 60.0  # until what could not be opened is tried again: twice as long each time
HANG_S = 1.0  # a challenger that computes so long, and longer than a request may wait for it, hangs
CLOSE_S = 0.3  # for what is being computed when all ends
Stamp = tuple[int, int, int] | None


class RouteWatch:
    """Begins with the route that is there, or with the own release; `start` looks on. `say` takes a sentence for the log."""

    def __init__(self, path: Path, own: OpenRelease, opener: Opener, clock: Clock, say: Callable[[str], None]) -> None:
        self._path, self._own, self._opener, self._clock, self._say = path, own, opener, clock, say
        self._stamp: Stamp = None
        self._wrong = ""  # with the file as it is, as it was told
        self._pause_s, self._again_s = RETRY_S, 0.0  # until it is tried again, and when that is
        self._was_on, self._shown = False, dict[str, str]()
        self._blown = set[int]()  # routes whose challenger was put off here, also where that could not be written
        self._ended: list[Challenge] = []  # that nobody uses any more and still compute
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="route", daemon=True)
        self._alone = Table(route=Route(champion=own.version), digest=NO_ROUTE, champion=own, challenge=None)
        self.in_force = InForce(self._alone)
        self._read(_stamp(path), asks=False)
        self._note()

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Stop looking; who is still computing is left behind, and said so."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)
        challenge = self.in_force.table.challenge
        current = [] if challenge is None or challenge.runner.close(CLOSE_S) else [challenge]
        for left in [*self._ended, *current]:
            self._say(f"release {left.release.version} still computes what it was asked; it is left behind")
        self._opener.close(kept=set())
        self._opener.close_counters()

    def look(self) -> None:
        """Put in force what is new, put off who hangs or has a fuse, close what nobody uses."""
        stamp = _stamp(self._path)
        if stamp != self._stamp or (self._wrong and time.monotonic() >= self._again_s):
            self._read(stamp)
        self._look_at_challenger()
        self._note()
        challenges, used = self.in_force.left()
        self._ended = [challenge for challenge in [*self._ended, *challenges] if not challenge.runner.close(0)]
        for version in self._opener.close(used):
            self._event("closed", release=version)

    def _read(self, stamp: Stamp, asks: bool = True) -> None:
        if stamp != self._stamp:
            self._wrong, self._pause_s = "", RETRY_S
        self._stamp = stamp
        try:
            route = read_route(self._path)
            table = self._alone_again() if route is None else self._table(route, asks)
        except (ValueError, OSError) as error:
            self._pause_s, self._again_s = min(2 * self._pause_s, RETRY_MOST_S), time.monotonic() + self._pause_s
            if str(error) != self._wrong:
                self._broken(str(error))
            return
        self._wrong = ""
        if table is not None:
            self.in_force.swap(table)

    def _broken(self, why: str) -> None:
        self._wrong = why
        self._own.counters.count("adclick_route_broken_total")
        self._event("broken_route", why=why)
        self._say(f"the route cannot be put in force, the one before stays: {why}")

    def _alone_again(self) -> Table | None:
        """Without a route the release that Triton has loaded answers."""
        return None if self.in_force.table.digest == NO_ROUTE else replace(self._alone, leases=0)

    def _table(self, route: Route, asks: bool) -> Table | None:
        """None if it is in force already. Raises ValueError."""
        now, digest = self.in_force.table, route.digest
        if (route, digest) == (now.route, now.digest):
            return None
        champion = self._opener.release(route.champion, asks)
        if digest == now.digest:  # renewed
            return Table(route=route, digest=digest, champion=champion, challenge=now.challenge)
        return Table(route=route, digest=digest, champion=champion, challenge=self._challenge(route, digest, asks))

    def _challenge(self, route: Route, digest: int, asks: bool) -> Challenge | None:
        if route.trial is None or digest in self._blown or fuse_path(self._path.parent, digest).exists():
            return None
        release = self._opener.release(route.trial.challenger, asks)
        self._event("opened", digest, release=release.version)
        return Challenge(release, route.trial, lambda trip: self._blow(digest, trip))

    def _blow(self, digest: int, trip: Trip) -> None:
        self._blown.add(digest)
        self._own.counters.count("adclick_guard_trips_total", guard=trip.reason)
        try:
            is_first = write_fuse(self._path.parent, digest, trip.reason, trip.evidence, self._clock.now_ns())
        except OSError as error:
            self._say(f"the fuse of route {shown(digest)} cannot be written, so it holds in this process alone: {error}")
            is_first = True
        if is_first:
            self._event("fuse", digest, reason=trip.reason, evidence=trip.evidence)
        self._say(f"the challenger of route {shown(digest)} is off, the champion answers: {trip.reason}, {trip.evidence}")

    def _look_at_challenger(self) -> None:
        table = self.in_force.table
        challenge = table.challenge
        if challenge is None:
            return
        busy_s = challenge.runner.busy_s
        if busy_s > max(HANG_S, 2 * challenge.limits.timeout_ms / 1000):
            challenge.end(Trip(reason="hang", evidence={"computing_s": round(busy_s, 1)}))
        if fuse_path(self._path.parent, table.digest).exists():
            challenge.put_off()
        if challenge.is_off:
            self.in_force.swap(Table(route=table.route, digest=table.digest, champion=table.champion, challenge=None))

    def _note(self) -> None:
        """Say in metrics and journal what is in force."""
        table, counters = self.in_force.table, self._own.counters
        is_on, labels = table.is_on(self._clock.now_ns() // 1_000_000), _labels(table)
        if labels == self._shown and table.challenge is not None and is_on != self._was_on:
            self._event("renewed" if is_on else "lapsed")
        if labels != self._shown or is_on != self._was_on:
            counters.show("adclick_challenger_open", float(is_on))
        if labels != self._shown:
            for known, value in ((self._shown, 0.0), (labels, 1.0)):
                if known:
                    counters.show("adclick_route_info", value, **known)
        self._shown, self._was_on = labels, is_on

    def _event(self, event: str, digest: int | None = None, **more: Any) -> None:
        route = shown(self.in_force.table.digest if digest is None else digest)
        self._own.journal.event({"at_ns": self._clock.now_ns(), "event": event, "route": route, **more})

    def _run(self) -> None:
        while not self._stop.wait(LOOK_S):
            try:
                self.look()
            except Exception:  # whatever it is: the next look may go well
                self._say(traceback.format_exc())


def _labels(table: Table) -> dict[str, str]:
    """What the metrics say of the route; nothing if there is none."""
    route, trial = table.route, table.route.trial
    if table.digest == NO_ROUTE:
        return {}
    challenger = "" if trial is None else str(trial.challenger)
    return {"route": shown(table.digest), "champion": str(route.champion), "challenger": challenger, "mode": route.mode}


def _stamp(path: Path) -> Stamp:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
