"""Logs to which lines are added and never changed. What a crash cut off is a line of its own that says nothing."""

import fcntl
import os
from pathlib import Path

from contracts.files import sync


def append_line(path: Path, line: bytes, mode: int = 0o644) -> None:
    """Write the line behind all others, and see it on the disk; one process at a time. `mode` is that of a new file.

    Raises OSError, and then what was written of the line is taken back.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, mode)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        _append(descriptor, line + b"\n", path.name)
    finally:
        os.close(descriptor)
    sync(path.parent)  # the file may be new


def _append(descriptor: int, line: bytes, name: str) -> None:
    size = os.fstat(descriptor).st_size
    is_torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
    content = b"\n" * is_torn + line
    try:
        if os.write(descriptor, content) != len(content):
            raise OSError(f"no space for a line of {len(content)} bytes in {name}")
        os.fsync(descriptor)
    except OSError:
        os.ftruncate(descriptor, size)
        raise
