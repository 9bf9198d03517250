"""The thread in which a challenger computes, so that whoever asks it can give up waiting."""

import queue
import threading
import time
import traceback
from collections.abc import Callable
from typing import Generic, TypeVar

Asked = TypeVar("Asked")
Found = TypeVar("Found")


class Task(Generic[Asked, Found]):
    """Something that was handed over."""

    def __init__(self, asked: Asked) -> None:
        self.asked, self.began_s = asked, time.monotonic()
        self.found: Found | None = None
        self.error: str | None = None  # the traceback
        self.took_ms = 0.0  # until it was done
        self._done = threading.Event()

    def wait(self, until_s: float) -> bool:
        """Is it done by then (of the monotonic clock)."""
        return self._done.wait(max(until_s - time.monotonic(), 0))

    def run(self, compute: Callable[[Asked], Found]) -> None:
        try:
            self.found = compute(self.asked)
        except Exception:  # whatever it is: who asked turns to another one
            self.error = traceback.format_exc()
        self.took_ms = 1000 * (time.monotonic() - self.began_s)
        self._done.set()

    @property
    def is_done(self) -> bool:
        return self._done.is_set()


class Runner(Generic[Asked, Found]):
    """Computes one thing at a time. `begin` and `overdue_s` are for any thread; the thread starts with the first task."""

    def __init__(self, compute: Callable[[Asked], Found]) -> None:
        self._compute, self._lock = compute, threading.Lock()
        self._waiting: queue.SimpleQueue[Task[Asked, Found] | None] = queue.SimpleQueue()
        self._current: Task[Asked, Found] | None = None
        self._thread: threading.Thread | None = None
        self._is_closing = False

    def begin(self, asked: Asked) -> Task[Asked, Found] | None:
        """Hand over; None if it still computes what nobody waits for any more."""
        with self._lock:
            if self._current is not None and not self._current.is_done:
                return None
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="challenger", daemon=True)
                self._thread.start()
            self._current = task = Task(asked)
        self._waiting.put(task)
        return task

    @property
    def busy_s(self) -> float:
        """Since when it has been computing the same thing; 0 if it computes nothing."""
        current = self._current
        return 0.0 if current is None or current.is_done else time.monotonic() - current.began_s

    def close(self, within_s: float) -> bool:
        """End the thread; False if it did not: it computes on, and ends when that is done. May be asked again."""
        if not self._is_closing:
            self._waiting.put(None)
        self._is_closing = True
        if self._thread is not None:
            self._thread.join(timeout=within_s)
        return self._thread is None or not self._thread.is_alive()

    def _run(self) -> None:
        while (task := self._waiting.get()) is not None:
            task.run(self._compute)
