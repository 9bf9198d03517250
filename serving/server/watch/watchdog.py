"""Brings a model back whose process died: Triton notices that a stub is gone, but starts no other by itself."""

import os
import select
import signal
import sys
import threading
import time

from serving.releases.store import Store
from serving.server.admin import AdminApi
from serving.server.stubs import instances, stubs

LOOK_AGAIN_MS = 1000  # for stubs that a reload has started; the end of those it knows is told at once
REST_S = 0.5  # between two attempts for the same model
GRACE_S = 10.0  # for what a reload has replaced; under load Triton 2.51 keeps such a process for ever


class Watchdog:
    """Watches the stubs of the server `pid`; reloads a model of a release that answers if it has fewer than its config says."""

    def __init__(self, pid: int, admin: AdminApi, store: Store) -> None:
        self._pid, self._admin, self._store = pid, admin, store
        self._handles: dict[int, int] = {}  # stub's process id -> pidfd
        self._poll = select.poll()
        self._lacking: dict[str, float] = {}  # model -> when to reload it at the earliest
        self._replaced: dict[int, float] = {}  # stub's process id -> when it has to be gone
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
        self._thread.start()

    def rest(self) -> None:
        """Bring nothing back any more."""
        self._closed.set()

    def close(self) -> None:
        self.rest()
        self._thread.join(timeout=5)
        while self._handles:
            os.close(self._handles.popitem()[1])

    def _run(self) -> None:
        while not self._closed.is_set():
            for pid in set(stubs(self._pid)) - set(self._handles):
                self._watch(pid)
            self._find_gaps()
            self._reload()
            self._end_replaced()
            ended = {handle for handle, _ in self._poll.poll(LOOK_AGAIN_MS)}
            for pid in [pid for pid, handle in self._handles.items() if handle in ended]:
                self._forget(pid)

    def _watch(self, pid: int) -> None:
        try:
            self._handles[pid] = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        self._poll.register(self._handles[pid], select.POLLIN)

    def _forget(self, pid: int) -> None:
        handle = self._handles.pop(pid)
        self._replaced.pop(pid, None)
        self._poll.unregister(handle)
        os.close(handle)

    def _find_gaps(self) -> None:
        """Note the models that are served by fewer processes than they should be."""
        running = instances(self._pid)
        for model, version in self._store.answering():
            wanted = self._store.instances(model)
            if model in self._lacking or running[model, version] >= wanted:
                continue
            is_served = version in self._admin.versions(model)  # and not just being loaded; then count once more
            if is_served and instances(self._pid)[model, version] < wanted and not self._closed.is_set():
                print(f"serve: a process of model {model} version {version} died; reloading it", file=sys.stderr)
                self._lacking[model] = 0.0

    def _reload(self) -> None:
        for model, earliest in list(self._lacking.items()):
            if self._closed.is_set() or time.monotonic() < earliest:
                continue
            before = [pid for pid, (name, _) in stubs(self._pid).items() if name == model and pid in self._handles]
            try:
                self._store.mark_changed(model)
                self._admin.load(model)
                del self._lacking[model]
                self._replaced |= dict.fromkeys(before, time.monotonic() + GRACE_S)
            except (ValueError, OSError) as error:
                print(f"serve: model {model} could not be reloaded, trying again: {error}", file=sys.stderr)
                self._lacking[model] = time.monotonic() + REST_S

    def _end_replaced(self) -> None:
        for pid, latest in self._replaced.items():
            if time.monotonic() > latest and pid in self._handles:
                signal.pidfd_send_signal(self._handles[pid], signal.SIGKILL)
