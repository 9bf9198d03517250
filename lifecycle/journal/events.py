"""What happened to routes: events of segments, which stay in the notes of those that are Parquet."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lifecycle.journal.segments import NotASegment, Segment
from lifecycle.journal.served import DONE
from serving.journal.folder import SEGMENTS
from serving.triton.journal.layout import EVENT


def read_events(folder: Path) -> list[dict[str, Any]]:
    """All events of the journal in `folder`, by time; those of segments that are being written, too.

    What is damaged, and what retention has removed, is left out.
    """
    noted = {path.stem: path for path in (folder / DONE).glob("*.json")}
    found = [event for path in noted.values() for event in json.loads(path.read_text()).get("events", [])]
    for path in (folder / SEGMENTS).glob("*.segment"):
        if path.name not in noted:
            found += _of_segment(path)
    return sorted(found, key=_when)


def _of_segment(path: Path) -> Iterator[dict[str, Any]]:
    try:
        segment = Segment(path)
    except (NotASegment, FileNotFoundError):
        return
    try:
        for frame in segment.frames():
            if frame.kind == EVENT and (event := segment.event(frame)) is not None:
                yield event
    finally:
        segment.close()


def _when(event: dict[str, Any]) -> int:
    at_ns = event.get("at_ns")
    return at_ns if isinstance(at_ns, int) else 0
