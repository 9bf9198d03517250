"""`monitor/alerts.jsonl`: a line for all that happens to an alert, synced before anybody is told. Who holds the lock writes.

What a crash has cut off is no line, and goes before the next one is written.
"""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from contracts.files import sync
from lifecycle.alerts.alert import Alert, alert_from

LOG, LOCK = "alerts.jsonl", "alerts.lock"
MODE = 0o640  # evidence may have values of columns


class AlertLog:
    """The log in a folder. Places in it are bytes from its beginning, each the start of a line."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / LOG

    def size(self) -> int:
        """Bytes of its whole lines."""
        return self.path.read_bytes().rfind(b"\n") + 1 if self.path.is_file() else 0

    def since(self, place: int) -> Iterator[tuple[Alert, int]]:
        """Every alert from `place` on, and the place behind it; what cannot be read is left out."""
        if not self.path.is_file():
            return
        with self.path.open("rb") as lines:
            lines.seek(place)
            for line in lines:
                place += len(line)
                if line.endswith(b"\n") and (alert := alert_from(line)) is not None:
                    yield alert, place

    def last_of_each(self) -> dict[str, Alert]:
        """By key, what happened last."""
        return {alert.key: alert for alert, _ in self.since(0)}

    def open(self) -> dict[str, Alert]:
        """By key, those that have begun and not ended, each with what was told last."""
        return {key: alert for key, alert in self.last_of_each().items() if alert.event != "resolved"}

    def append(self, alerts: Sequence[Alert]) -> None:
        """Write them behind all others and sync them. Raises OSError, and what was written of them is taken back then."""
        if not alerts:
            return
        content = b"".join(alert.line().encode() + b"\n" for alert in alerts)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, MODE)
        try:
            size = self.size()
            os.ftruncate(descriptor, size)
            _write(descriptor, content, size)
        finally:
            os.close(descriptor)
        sync(self.path.parent)  # the file may be new


def _write(descriptor: int, content: bytes, size: int) -> None:
    try:
        left = memoryview(content)
        while left:
            left = left[os.write(descriptor, left) :]
        os.fsync(descriptor)
    except OSError:
        with suppress(OSError):
            os.ftruncate(descriptor, size)
        raise


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One process at a time tells alerts of this folder; another one waits. Makes the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, MODE)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
