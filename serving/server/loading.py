"""Has a running Triton open what the configs of the store say; one program at a time."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from serving.releases.configs import DOORS, Opened
from serving.releases.store import Store
from serving.server.admin import AdminApi

LOCK, POLL_S = ".load.lock", 0.05


class Busy(ValueError):
    """Another program is at it."""


@contextmanager
def loading_alone(store: Store, wait_s: float = 0.0) -> Iterator[None]:
    """Configs and loads are ours until the end, or until we die. Raises Busy if another program has them after `wait_s`."""
    store.folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(store.folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        _lock(descriptor, store.folder, time.monotonic() + wait_s)
        yield
    finally:
        os.close(descriptor)


def missing(store: Store, admin: AdminApi, opened: Opened) -> list[str]:
    """Models that the server has not open in the versions that it should, those that `ctr` calls first."""
    return [name for name in store.models(*opened.arms) if not _has(store, admin, name, opened)]


def surplus(store: Store, admin: AdminApi, opened: Opened) -> list[str]:
    """Models that `ctr` calls, of which the server has versions open that nothing needs."""
    called = [name for name in store.models(*store.versions()) if name not in DOORS]
    return [name for name in called if set(admin.versions(name)) - set(opened.all)]


def _has(store: Store, admin: AdminApi, name: str, opened: Opened) -> bool:
    found = admin.versions(name)
    if name in DOORS:
        return found == [opened.champion]
    return {number for number in opened.arms if (store.folder / name / str(number)).is_dir()} <= set(found)


def _lock(descriptor: int, folder: Path, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise Busy(f"another program has the server load models of {folder}/; try again in a moment") from None
            time.sleep(POLL_S)
