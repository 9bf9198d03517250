"""Makes a running server serve another version of the store. Requests under way are answered by the version before."""

import time
from contextlib import suppress

from contracts.serving.route import Route
from serving.releases.configs import DOORS, Opened
from serving.releases.routing import refuse_during_rollout
from serving.releases.store import Store
from serving.server.admin import AdminApi
from serving.server.loading import loading_alone

SETTLE_S = 5.0  # at most, for the version before to answer what it has begun
POLL_S = 0.05
WAIT_S = 60.0  # for `make serve`, which loads what a route needs


def switch(store: Store, admin: AdminApi, version: int) -> None:
    """Make the running server serve `version`, and the route say so.

    In this order, so that no request fails and whoever dies leaves one truth: the models that `ctr` calls are loaded in both
    versions; the route changes, which a routed server follows at once; `ctr` itself is loaded. What is left undone behind the
    route `make serve` does. Raises ValueError if the version does not load, the route was changed meanwhile, or another release
    is being tried; the version before then goes on.
    """
    with loading_alone(store, WAIT_S):
        _Switch(store, admin, version).run()
    _settle(admin)


def refuse_another_rollout(store: Store, version: int | None) -> None:
    """Raise ValueError if a rollout is under way, and `version` is neither of its two."""
    route = store.readable_route()
    if route is None or route.trial is None or version not in (route.champion, route.trial.challenger):
        refuse_during_rollout(route, "refused, the server serves what it did before")


class _Switch:
    def __init__(self, store: Store, admin: AdminApi, version: int) -> None:
        refuse_another_rollout(store, version)
        self._store, self._admin, self._version = store, admin, version
        self._route, self._opened = store.readable_route(), store.opened()
        self._before = store.active()
        self._loaded: list[str] = []

    def run(self) -> None:
        store, version = self._store, self._version
        names = store.models(version)
        again = self._before == version  # what an earlier attempt, which died, has not done
        opened = self._opened if again and self._opened else Opened(champion=version, before=self._before)
        try:
            store.configure(opened, doors=False)
            for name in store.retired(*opened.all):  # before the models that they call lose their version
                self._admin.unload(name)
            self._load([name for name in names if name not in DOORS])
            if self._route is None or self._route.champion != version:
                store.replace_route(self._route, Route(champion=version))
            store.configure(opened)
            self._load([name for name in names if name in DOORS])
        except ValueError as error:
            if self._opened is None or again:
                raise
            self._undo(self._opened)
            raise ValueError(f"version {version} was refused, version {self._before} is still being served: {error}") from None

    def _load(self, names: list[str]) -> None:
        for name in names:
            self._loaded.append(name)
            self._admin.load(name)

    def _undo(self, opened: Opened) -> None:
        """As it was, the route first: a server that has died of this is started again by it."""
        store = self._store
        if store.active() == self._version:
            store.restore_route(self._route)
        store.configure(opened)
        for name in reversed(self._loaded):
            (self._admin.load if name in store.models(*opened.arms) else self._admin.unload)(name)


def _settle(admin: AdminApi) -> None:
    """Wait for the version before to end: the next deployment takes away the models that it calls."""
    deadline = time.monotonic() + SETTLE_S
    with suppress(ValueError):  # it is being started again
        while not admin.settled() and time.monotonic() < deadline:
            time.sleep(POLL_S)
