"""Makes a running server serve another version of the store. Requests under way are answered by the version before."""

import time

from serving.releases.store import Store
from serving.server.admin import AdminApi

SETTLE_S = 5.0  # at most, for the version before to answer what it has begun
POLL_S = 0.05


def switch(store: Store, admin: AdminApi, version: int) -> None:
    """Make the running server serve `version`. Raises ValueError if it does not load; the version before then goes on."""
    before = store.active()
    store.activate(version)
    loaded = []
    try:
        for name in store.retired(version, before or version):  # before the models that they call lose their version
            admin.unload(name)
        for name in store.models(version):
            loaded.append(name)
            admin.load(name)
    except ValueError as error:
        if before is None or before == version:
            raise
        store.activate(before, beside_before=False)
        for name in reversed(loaded):
            (admin.load if name in store.models(before) else admin.unload)(name)
        raise ValueError(f"version {version} was refused, version {before} is still being served: {error}") from None
    _settle(admin)


def _settle(admin: AdminApi) -> None:
    """Wait for the version before to end: the next deployment takes away the models that it calls."""
    deadline = time.monotonic() + SETTLE_S
    while not admin.settled() and time.monotonic() < deadline:
        time.sleep(POLL_S)
