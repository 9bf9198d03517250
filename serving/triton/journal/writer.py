"""Who writes to the journal from Python; serving/native/journal/writer.c does the same. Each has segments of its own."""

import os
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

from serving.triton.journal.layout import LOSS, LOST
from serving.triton.journal.options import FULL, JournalOptions
from serving.triton.journal.segment import Clock, SegmentFile, frame

REST_S = 0.1  # between two attempts while nothing can be written
LOOK_S = 0.2  # between two looks at the segment
REQUESTS, ROWS = "requests", "rows"
LOST_TOTAL = "adclick_journal_lost_total"


class IdSource:
    """Draws the ids of answers: UUIDs of version 7, whose time only ever grows; see serving/native/journal/prediction_id.h."""

    def __init__(self) -> None:
        self.writer = secrets.randbits(62)
        self._last = 0

    def draw(self, unix_ns: int) -> bytes:
        ms, ns = divmod(max(unix_ns, 0), 1_000_000)
        self._last = max(ms * 4096 + ns * 4096 // 1_000_000, self._last + 1)
        high = self._last >> 12 << 16 | 7 << 12 | self._last & 0xFFF
        return (high << 64 | 2 << 62 | self.writer).to_bytes(16, "big")


def spelled(prediction_id: bytes) -> str:
    return str(UUID(bytes=prediction_id))


class Writer:
    """Writes frames, and a thread beside it that closes old segments and commits them to the disk.

    `about` is what each segment says of who wrote it. `count` takes a family of counters and a number, `say` a sentence.
    """

    def __init__(
        self, options: JournalOptions, about: dict[str, Any], count: Callable[..., None], say: Callable[[str], None],
        clock: Clock | None = None,
    ) -> None:  # fmt: skip
        self.ids, self.clock, self.refuses = IdSource(), clock or options.clock.now_ns, options.refuses
        self._options, self._about, self._count, self._say = options, about, count, say
        self._full, self._is_full = options.folder / FULL, (options.folder / FULL).exists()
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._segment: SegmentFile | None = None
        self._number, self._again, self._is_failing = 0, 0.0, False
        self._lost_requests = self._lost_rows = self._lost_since_ns = 0
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def write(self, kind: int, payload: bytes, requests: int = 0, rows: int = 0, refused: int = 0) -> bool:
        """May the answers in it leave: it is written, or they may without."""
        whole = frame(kind, payload)
        with self._lock:
            if time.monotonic() < self._again:
                return self._lose(requests, rows)
            try:
                self._write(whole, requests, rows, refused)
            except OSError as error:
                self._report(error)
                return self._lose(requests, rows)
            self._report(None)
        if requests:
            self._count("adclick_journal_total", requests, what=REQUESTS)
            self._count("adclick_journal_total", rows, what=ROWS)
        self._count("adclick_journal_bytes_total", len(whole))
        return True

    def close(self) -> None:
        self._stop.set()
        self._thread.join(timeout=5)
        with self._lock:
            self._finish()

    def _write(self, whole: bytes, requests: int, rows: int, refused: int) -> None:
        if self._segment is not None and (self._segment.is_broken or self._is_old()):
            self._finish()
        if self._is_full:
            raise OSError("its folder holds as much as it may (serving.journal.max_gib)")
        if self._segment is None:
            number, self._number = self._number, self._number + 1
            writer = f"{self.ids.writer:016x}"
            self._segment = SegmentFile(self._options.folder, writer, number, self._about, self.clock())
        told = []
        if self._lost_requests:
            lost = LOST.pack(self._lost_requests, self._lost_rows, self._lost_since_ns, self.clock())
            told = [frame(LOSS, lost)]
        self._segment.write([*told, whole], requests, rows, refused)
        if told:
            self._lost_requests = self._lost_rows = 0

    def _lose(self, requests: int, rows: int) -> bool:
        """Count what is answered and cannot be found in the journal; False if it may not be answered then."""
        if self.refuses:
            return False
        self._count_lost(requests, rows)
        return True

    def _count_lost(self, requests: int, rows: int) -> None:
        if not requests:
            return
        if not self._lost_requests:
            self._lost_since_ns = self.clock()
        self._lost_requests, self._lost_rows = self._lost_requests + requests, self._lost_rows + rows
        self._count(LOST_TOTAL, requests, what=REQUESTS)
        self._count(LOST_TOTAL, rows, what=ROWS)

    def _report(self, error: OSError | None) -> None:
        if error is not None and not self._is_failing:
            then = (
                "requests are refused (serving.journal.on_error: refuse)"
                if self.refuses
                else "answers go on without it, counted in adclick_journal_lost_total"
            )
            self._say(f"the journal cannot be written: {error}; {then}")
        if error is None and self._is_failing:
            self._say("the journal is written again")
        self._is_failing = error is not None
        self._again = 0.0 if error is None else time.monotonic() + REST_S

    def _is_old(self) -> bool:
        segment, options = self._segment, self._options
        return segment is not None and (
            segment.size >= options.segment_bytes or time.monotonic() - segment.opened >= options.segment_s
        )

    def _finish(self) -> None:
        segment, self._segment = self._segment, None
        if segment is None:
            return
        if segment.is_removed():
            self._count_lost(segment.requests, segment.rows)
            self._say("a segment of the journal was removed while it was written; its rows are counted as lost")
        segment.close()

    def _run(self) -> None:
        sync_s = self._options.sync_ms / 1000
        committed = time.monotonic()
        while not self._stop.wait(min(LOOK_S, sync_s or LOOK_S)):
            commit = bool(sync_s) and time.monotonic() - committed >= sync_s
            committed = time.monotonic() if commit else committed
            self._is_full = self._full.exists()
            self._look_after(commit)

    def _look_after(self, commit: bool) -> None:
        descriptor, is_new = -1, False
        with self._lock:
            if self._segment is not None and (self._is_old() or self._segment.is_removed()):
                self._finish()
            segment = self._segment
            if commit and segment is not None and segment.is_dirty:
                is_new, segment.is_dirty, segment.is_new = segment.is_new, False, False
                descriptor = segment.copy()
        if descriptor < 0:
            return
        with suppress(OSError):
            os.fdatasync(descriptor)  # beside the road: it takes milliseconds
        os.close(descriptor)
        if is_new:
            with suppress(OSError):
                folder = os.open(self._options.folder / "segments", os.O_RDONLY | os.O_DIRECTORY)
                os.fsync(folder)
                os.close(folder)
