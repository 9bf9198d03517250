"""One file of the journal: opened under a lock, appended to, closed. serving/native/journal/segment.c does the same."""

import fcntl
import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zlib import crc32

from serving.triton.journal.layout import (
    CHECKED,
    CLOSED,
    COUNTS,
    FORMAT,
    FRAME_HEAD,
    FRAME_MAGIC,
    OPENED,
    SEGMENT_HEAD,
    SEGMENT_MAGIC,
)

Clock = Callable[[], int]  # nanoseconds since 1970


def frame(kind: int, payload: bytes) -> bytes:
    head = FRAME_HEAD.pack(FRAME_MAGIC, len(payload), kind, 0)
    checksum = crc32(payload, crc32(head[CHECKED]))
    return FRAME_HEAD.pack(FRAME_MAGIC, len(payload), kind, checksum) + payload


class SegmentFile:
    """A segment that is open for writing. Raises OSError on the way in."""

    def __init__(self, folder: Path, writer: str, number: int, about: dict[str, Any], opened_ns: int) -> None:
        opened = datetime.fromtimestamp(opened_ns // 1_000_000_000, UTC)
        stamp = f"{opened:%Y%m%dT%H%M%S}.{opened_ns // 1_000_000 % 1000:03d}Z"
        self.name = f"{stamp}-{writer}-{number:06d}.segment"
        self.opened = time.monotonic()
        self.frames = self.requests = self.rows = self.refused = self.size = 0
        self.is_dirty, self.is_new, self.is_broken = False, True, False
        made = folder / "segments" / f".{self.name}.new"
        self._file = os.open(made, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o640)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            told = {"segment": self.name, "writer": writer, "number": number, "opened_ns": opened_ns, **about}
            first = SEGMENT_HEAD.pack(SEGMENT_MAGIC, FORMAT, 0) + frame(OPENED, json.dumps(told, ensure_ascii=False).encode())
            self._append([first])
            os.rename(made, folder / "segments" / self.name)  # who sees it and gets its lock may read it to its end
        except OSError:
            made.unlink(missing_ok=True)
            os.close(self._file)
            raise

    def write(self, frames: list[bytes], requests: int = 0, rows: int = 0, refused: int = 0) -> None:
        """Append all of it or nothing. Raises OSError."""
        self._append(frames)
        self.frames, self.requests = self.frames + len(frames), self.requests + requests
        self.rows, self.refused = self.rows + rows, self.refused + refused

    def is_removed(self) -> bool:
        return os.fstat(self._file).st_nlink == 0

    def copy(self) -> int:
        """Another descriptor of the file, to commit it by."""
        return os.dup(self._file)

    def close(self) -> None:
        """End it. Without its last frame, if that cannot be written, a segment says the same."""
        if not self.is_broken:
            with suppress(OSError):
                self._append([frame(CLOSED, COUNTS.pack(self.frames, self.requests, self.rows, self.refused))])
        os.close(self._file)

    def _cut(self) -> None:
        try:
            os.ftruncate(self._file, self.size)
        except OSError:
            self.is_broken = True  # nothing may follow what is torn

    def _append(self, pieces: list[bytes]) -> None:
        left = [memoryview(piece) for piece in pieces]
        written = 0
        try:
            while left:
                taken = os.writev(self._file, left)
                written += taken
                while left and taken >= len(left[0]):
                    taken -= len(left.pop(0))
                if left:
                    left[0] = left[0][taken:]
        except OSError:
            if written:
                self._cut()  # a full disk takes the beginning of a frame
            raise
        self.size += written
        self.is_dirty = True
