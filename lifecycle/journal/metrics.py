"""What `python -m lifecycle.journal --follow` says of itself to Prometheus."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server

from lifecycle.journal.images import RemovedImages
from lifecycle.journal.retention import Removed, opened
from lifecycle.journal.served import unserved
from serving.journal.bound import GIB, disk_bytes

HOST = "127.0.0.1"


class JournalMetrics:
    """Everything is there from the start, counters at 0."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()

        def gauge(name: str, about: str) -> Gauge:
            return Gauge(f"adclick_journal_{name}", about, registry=self.registry)

        def counter(name: str, about: str) -> Counter:
            return Counter(f"adclick_journal_{name}", about, registry=self.registry)

        self._lag = gauge("parquet_lag_seconds", "age of the oldest segment whose rows are not in Parquet yet")
        self._waiting = gauge("parquet_waiting_segments", "segments whose rows are not in Parquet yet, those being written too")
        self._disk = gauge("disk_bytes", "of segments and Parquet files")
        self._limit = gauge("disk_limit_bytes", "what they may take (serving.journal.max_gib); 0: no bound")
        self._images = gauge("images_disk_bytes", "of the images that are kept")
        self.rows = counter("parquet_rows", "rows that were made Parquet")
        self.shadow_rows = counter("parquet_shadow_rows", "rows of shadows, which nobody was sent, that were made Parquet")
        self.faulty = counter("faulty_segments", "segments that could not be read, or not wholly")
        self._removed = counter("removed_files", "segments and Parquet files that were too old, or took room")
        self._young = counter("removed_young_files", "of these, for want of room")

    def looked(self, folder: Path, max_gib: float | None, now: datetime) -> None:
        waiting = unserved(folder)
        self._lag.set(max(0.0, (now - min(map(opened, waiting))).total_seconds()) if waiting else 0.0)
        self._waiting.set(len(waiting))
        self._disk.set(disk_bytes(folder))
        self._limit.set((max_gib or 0) * GIB)

    def expired(self, removed: Removed, images: RemovedImages) -> None:
        self._images.set(images.kept_bytes)
        self._removed.inc(removed.segments + removed.files)
        self._young.inc(removed.young)


class OwnMetrics(Protocol):
    """What a command says of itself."""

    registry: CollectorRegistry


@contextmanager
def told_at(metrics: OwnMetrics, port: int | None) -> Iterator[None]:
    """Answer Prometheus on loopback until the end; None: nobody asks. Raises ValueError if the port is taken."""
    if port is None:
        yield
        return
    try:
        server, thread = start_http_server(port, HOST, metrics.registry)
    except OSError as error:
        raise ValueError(f"--metrics-port {port} cannot be used: {error.strerror}; take another") from None
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
