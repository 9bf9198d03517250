"""Who answers now: the route in force with its releases, and who still uses one that was in force before."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from contracts.serving.route import Route, Trial
from serving.triton.packed_request import PackedRequest
from serving.triton.refusal import Refused
from serving.triton.routing.guards import Guards, Trip
from serving.triton.routing.open_release import Computed, OpenRelease
from serving.triton.routing.runner import Runner


class Challenge:
    """A challenger under a route: what was seen of it, and whether it is off. For several threads."""

    def __init__(self, release: OpenRelease, trial: Trial, tell: Callable[[Trip], None]) -> None:
        """`tell` is called once, with why it is off."""
        self.release, self.limits, self.is_off = release, trial.limits, False
        self.guards = Guards(trial.limits)
        self.runner: Runner[list[PackedRequest], Computed] = Runner(release.compute)
        self._tell, self._lock = tell, threading.Lock()

    def end(self, trip: Trip | None) -> None:
        """From now on it gets nothing, if that is what the guards say."""
        if trip is None:
            return
        with self._lock:
            was_off, self.is_off = self.is_off, True
        if not was_off:
            self._tell(trip)

    def examine(self, computed: Computed, is_own: bool) -> list[bool]:
        """Of each request: it got no probability, and is taken out of `computed`. `is_own`: that is the challenger's end."""
        broken = computed.broken()
        for number in np.flatnonzero(broken).tolist():
            computed.rows.refuse(number, Refused("not_finite", "the model gave no probability"))
        if any(broken) and is_own:
            answers_N = computed.found.p_click_N
            worst_N = answers_N[~((answers_N >= 0) & (answers_N <= 1))]
            self.end(Trip(reason="non_finite", evidence={"rows": len(worst_N), "first": str(worst_N[0])}))
        return broken

    def put_off(self) -> None:
        """Another process has told why."""
        with self._lock:
            self.is_off = True


@dataclass(eq=False, kw_only=True)
class Table:
    """A route and its releases, all open."""

    route: Route
    digest: int
    champion: OpenRelease
    challenge: Challenge | None  # None: there is none, or it is off
    leases: int = field(default=0)  # batches and shadows under way

    def is_on(self, now_ms: int) -> bool:
        """Does the challenger get what the route gives it."""
        trial, challenge = self.route.trial, self.challenge
        return trial is not None and challenge is not None and not challenge.is_off and now_ms < trial.valid_until_ms

    @property
    def releases(self) -> list[OpenRelease]:
        return [self.champion] if self.challenge is None else [self.champion, self.challenge.release]


class InForce:
    """The table in force; those before it are kept while somebody uses them."""

    def __init__(self, table: Table) -> None:
        self._table, self._past, self._lock = table, list[Table](), threading.Lock()

    @property
    def table(self) -> Table:
        return self._table

    @contextmanager
    def used(self) -> Iterator[Table]:
        """The table, which nothing is closed of until this ends."""
        with self._lock:
            table = self._table
            table.leases += 1
        try:
            yield table
        finally:
            self.give_back(table)

    def hold(self, table: Table) -> None:
        """Use one that is used already for longer, until it is given back."""
        with self._lock:
            table.leases += 1

    def give_back(self, table: Table) -> None:
        with self._lock:
            table.leases -= 1

    def swap(self, table: Table) -> None:
        with self._lock:
            self._past.append(self._table)
            self._table = table

    def left(self) -> tuple[list[Challenge], set[int]]:
        """Challenges that nobody uses any more, each once, and the releases that somebody does, or may."""
        with self._lock:
            gone = [table for table in self._past if not table.leases]
            self._past = [table for table in self._past if table.leases]
            used = [self._table, *self._past]
        kept = [table.challenge for table in used]
        challenges = {id(c): c for c in (table.challenge for table in gone) if c is not None and c not in kept}
        return [*challenges.values()], {release.version for table in used for release in table.releases}
