"""erased.jsonl in the journal's folder: a line before an erasure and one behind it. No line says whose rows they were.

Lines are appended and synced, and never changed. A line that a crash cut off says nothing; the others are whole.
"""

import fcntl
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from contracts.files import sync

NAME, FORMAT = "erased.jsonl", 1
BEGUN, DONE = "begun", "done"


def append(folder: Path, event: str, **said: Any) -> None:
    """Write a line and see it on the disk. Raises OSError, and what was written of the line is taken back then."""
    line = {"format": FORMAT, "time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, **said}
    descriptor = os.open(folder / NAME, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        size = os.fstat(descriptor).st_size
        is_torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        content = b"\n" * is_torn + json.dumps(line).encode() + b"\n"
        try:
            if os.write(descriptor, content) != len(content):
                raise OSError(f"no space for a line in {folder / NAME}")
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)
    sync(folder)


def unfinished(folder: Path, entity: str) -> list[dict[str, Any]]:
    """The beginnings of erasures of `entity`, a keyed hash, that have no end, oldest first."""
    begun: list[dict[str, Any]] = []
    path = folder / NAME
    for content in path.read_bytes().splitlines() if path.is_file() else []:
        try:
            line = json.loads(content)
        except ValueError:
            continue
        if isinstance(line, dict) and line.get("entity") == entity:
            begun = [] if line.get("event") == DONE else [*begun, line]
    return begun
