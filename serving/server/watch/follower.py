"""Follows the route while a server runs: says when it changes, and has Triton open the models that it needs.

Who answers is not decided here: the backend reads the route by itself. What is loaded here are the models that `ctr` calls in the
challenger's version, and what a deployment that died has left undone.
"""

import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from types import TracebackType

from contracts.serving.fuse import shown
from contracts.serving.route import Route
from serving.releases.configs import DOORS, Opened
from serving.releases.routing import fuse_of, in_words
from serving.releases.store import Store
from serving.server.admin import AdminApi
from serving.server.loading import Busy, loading_alone, missing, surplus

LOOK_S = 0.2
CHECK_S = 30.0  # between two looks at what the server has open; what is no longer needed goes at the second
RETRY_S = 60.0  # after a load that failed: each attempt takes memory, and processes of the champion are started anew


@dataclass(frozen=True, kw_only=True)
class RouteSeen:
    """What there is to be said of the route. A later end, which it is given every few minutes, is no news."""

    route: Route | None = field(default=None, compare=False)  # None if there is none, or none that can be read
    digest: int | None = None
    problem: str | None = None  # why it cannot be read
    fuse: str | None = None  # why its challenger is off

    @property
    def is_quiet(self) -> bool:
        """Is there nobody but the champion, who says itself that it is served."""
        return self.problem is None and (self.route is None or self.route.trial is None)


class Follower:
    """A thread of its own, so that a slow load keeps nobody who stops the server. Ends with the `with`."""

    def __init__(self, store: Store, admin: AdminApi) -> None:
        self._store, self._admin = store, admin
        self._seen = RouteSeen()
        self._due = self._since = time.monotonic()
        self._said = ""
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="follower", daemon=True)
        self._thread.start()

    def __enter__(self) -> "Follower":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._closed.set()
        self._thread.join(timeout=LOOK_S)

    def open_s(self) -> float:
        """Seconds since the route that is in force was first seen here."""
        return time.monotonic() - self._since

    def _run(self) -> None:
        while True:
            with suppress(Busy):  # a deployment is loading models; it may be killed
                self._look()
            if self._closed.wait(LOOK_S):
                return

    def _look(self) -> None:
        seen, before = self._read(), self._seen
        if seen != before:
            self._seen, self._due = seen, time.monotonic()
            self._since = self._since if seen.digest == before.digest else self._due
            for line in news(before, seen):
                print(f"serve: {line}", flush=True)
        if time.monotonic() >= self._due:
            with loading_alone(self._store):
                self._open(is_settled=time.monotonic() - self._since > CHECK_S)

    def _read(self) -> RouteSeen:
        try:
            route = self._store.route()
        except ValueError as error:
            return RouteSeen(problem=str(error))
        if route is None:
            return RouteSeen()
        fuse = fuse_of(self._store.folder, route)
        return RouteSeen(route=route, digest=route.digest, fuse=None if fuse is None else fuse.reason)

    def _open(self, is_settled: bool) -> None:
        """Load what is missing; once the route has been without a challenger for a while, let go of what was one's."""
        store, opened = self._store, self._store.opened()
        self._due = time.monotonic() + CHECK_S
        if opened is None:
            return
        needed = missing(store, self._admin, opened)
        spare = surplus(store, self._admin, opened) if is_settled and self._seen.is_quiet else []
        try:
            self._load(opened, [*needed, *(name for name in spare if name not in needed)])
            self._said = ""
        except ValueError as error:
            self._due = time.monotonic() + RETRY_S
            if str(error) != self._said and not self._closed.is_set():
                print(f"serve: what the route needs is not open, trying again every {RETRY_S:g} s: {error}", file=sys.stderr)
            self._said = str(error)
            self._go_on_without(opened, needed)

    def _load(self, opened: Opened, names: list[str]) -> None:
        if not names:
            return
        store = self._store
        store.configure(opened, doors=any(name in DOORS for name in names))
        needed = store.models(*opened.arms)
        for name in sorted(names, key=needed.__contains__):  # before the models that they call lose their version
            (self._admin.load if name in needed else self._admin.unload)(name)

    def _go_on_without(self, opened: Opened, names: list[str]) -> None:
        """The champion's models alone: a server of which one model could not be loaded says that it is not ready."""
        if opened.challenger is None or self._closed.is_set():
            return
        self._store.configure(replace(opened, challenger=None), doors=False)
        for name in self._store.models(opened.champion):
            if name in names:
                with suppress(ValueError):
                    self._admin.load(name)


def news(before: RouteSeen, seen: RouteSeen) -> list[str]:
    """What to say of a route that was another one, or nothing."""
    if seen.problem is not None:
        return [f"the route is broken, the one before stays in force: {seen.problem}"] if seen != before else []
    lines = []
    if seen.route is not None and seen.digest != before.digest and not (seen.is_quiet and before.is_quiet):
        lines.append(f"route: {in_words(seen.route)} ({shown(seen.route.digest)})")
    if seen.fuse is not None and (seen.digest, seen.fuse) != (before.digest, before.fuse):
        lines.append(f"the challenger is off for good, its fuse says {seen.fuse}; `make route` shows the evidence")
    return lines
