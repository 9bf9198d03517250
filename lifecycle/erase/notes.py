"""erased.jsonl in the journal's folder: a line before an erasure and one behind it. No line says whose rows they were.

Lines are appended and synced, and never changed. A line that a crash cut off says nothing; the others are whole.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from contracts.line_log import append_line

NAME, FORMAT = "erased.jsonl", 1
BEGUN, DONE = "begun", "done"
MODE = 0o640  # as the journal's segments


def append(folder: Path, event: str, **said: Any) -> None:
    """Write a line and see it on the disk. Raises OSError, and what was written of the line is taken back then."""
    line = {"format": FORMAT, "time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, **said}
    append_line(folder / NAME, json.dumps(line).encode(), MODE)


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
