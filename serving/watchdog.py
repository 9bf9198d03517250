"""Brings a model back whose process died: Triton notices that a stub is gone, but starts no other by itself."""

import os
import select
import sys
import threading
import time

from serving.admin import AdminApi
from serving.store import Store
from serving.stubs import Served, instances, stubs

LOOK_AGAIN_MS = 200  # for stubs that a reload has started
REST_S = 0.5  # between two attempts for the same model


class Watchdog:
    """Watches the stubs of the server `pid`; reloads the model of one that ends while its version is being served."""

    def __init__(self, pid: int, admin: AdminApi, store: Store) -> None:
        self._pid, self._admin, self._store = pid, admin, store
        self._handles: dict[int, int] = {}  # stub's process id -> pidfd
        self._poll = select.poll()
        self._lacking: dict[str, float] = {}  # model -> when to reload it at the earliest
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closed.set()
        self._thread.join(timeout=5)
        for handle in self._handles.values():
            os.close(handle)

    def _run(self) -> None:
        running: dict[int, Served] = {}
        while not self._closed.is_set():
            for pid, served in stubs(self._pid).items():
                if pid not in running and self._watch(pid):
                    running[pid] = served
            ended = {handle for handle, _ in self._poll.poll(LOOK_AGAIN_MS)}
            for pid in [pid for pid, handle in self._handles.items() if handle in ended]:
                self._forget(pid)
                model, version = running.pop(pid)
                if not self._closed.is_set() and self._lacks(model, version):
                    print(f"serve: process {pid} of model {model} version {version} died; reloading it", file=sys.stderr)
                    self._lacking.setdefault(model, 0.0)
            self._reload()

    def _watch(self, pid: int) -> bool:
        try:
            self._handles[pid] = os.pidfd_open(pid)
        except ProcessLookupError:
            return False
        self._poll.register(self._handles[pid], select.POLLIN)
        return True

    def _forget(self, pid: int) -> None:
        handle = self._handles.pop(pid)
        self._poll.unregister(handle)
        os.close(handle)

    def _lacks(self, model: str, version: int) -> bool:
        """Is the version served by fewer processes than its config wants. A stub that was replaced leaves no gap."""
        if version not in self._admin.versions(model):
            return False
        return instances(self._pid)[model, version] < self._store.instances(model)

    def _reload(self) -> None:
        for model, earliest in list(self._lacking.items()):
            if self._closed.is_set() or time.monotonic() < earliest:
                continue
            try:
                self._store.mark_changed(model)
                self._admin.load(model)
                del self._lacking[model]
            except (ValueError, OSError) as error:
                print(f"serve: model {model} could not be reloaded, trying again: {error}", file=sys.stderr)
                self._lacking[model] = time.monotonic() + REST_S
