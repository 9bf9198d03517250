"""Closed segments of the journal: rows of a user in them, and the same segments without these rows."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from contracts.files import sync
from lifecycle.erase.records import AnswerRecord
from lifecycle.erase.wanted import Wanted
from lifecycle.journal.columns import Kind
from lifecycle.journal.segments import Segment
from serving.triton.journal.layout import ANSWERS, FRAME_HEAD, ROUTING_KEYS, SEGMENT_HEAD
from serving.triton.journal.privacy import DROP, KEYED_HASH
from serving.triton.journal.segment import frame

PARTIAL = ".{}.erased"  # beside the segment; hidden, so that nobody takes it for one


@dataclass(kw_only=True)
class Held:
    """What a segment holds of a user."""

    rows: int = 0
    is_routed: bool = False  # the user is the routing key of a request
    images: set[bytes] = field(default_factory=set)  # digests of those rows
    other_images: set[bytes] = field(default_factory=set)  # of all others
    damaged: bool = False  # the value stands in bytes that are no frame
    why_not: str | None = None  # why rows of this user could not be found here, though there may be some

    @property
    def is_affected(self) -> bool:
        return bool(self.rows) or self.is_routed or self.damaged


def look(path: Path, wanted: Wanted) -> Held:
    """Raises NotASegment, Unreadable."""
    with _opened(path) as segment:
        kind, held, may_be_there = Kind.of(segment.about), Held(), wanted.may_be_in(segment.content)
        has_routing_keys = False
        for read in segment.frames():
            if read.kind != ANSWERS:
                continue
            payload = segment.content[read.start : read.end]
            record = AnswerRecord.of(payload)
            is_sought = may_be_there and wanted.may_be_in(payload)
            rows = record.rows_of(wanted, kind).tolist() if is_sought else []
            held.rows += len(rows)
            held.is_routed |= is_sought and len(record.requests_routed_by(wanted, kind)) > 0
            has_routing_keys |= ROUTING_KEYS in record.sections
            for row, digest in record.images():
                (held.images if row in rows else held.other_images).add(digest)
        held.why_not = _why_not(kind, segment.about.get("key_fingerprint"), wanted, has_routing_keys)
        gaps = (segment.content[damage.start : damage.end] for damage in segment.damages)
        held.damaged = any(text in gap for gap in gaps for text in (*wanted.texts, *wanted.hashes))
    return held


def erase(path: Path, wanted: Wanted) -> None:
    """Replace the segment by one without the user's rows, and without what is no frame. Killed before its end, it has done
    nothing. Raises ValueError if somebody writes to it.
    """
    partial = path.with_name(PARTIAL.format(path.name))
    with _opened(path) as segment, partial.open("wb") as file:
        _lock(path, segment)
        kind = Kind.of(segment.about)
        file.write(segment.content[: SEGMENT_HEAD.size])
        for read in segment.frames():
            whole = segment.content[read.start - FRAME_HEAD.size : read.end]
            if read.kind == ANSWERS:
                whole = _without(whole, wanted, kind)
            file.write(whole)
        os.fchmod(file.fileno(), path.stat().st_mode & 0o777)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)
    sync(path.parent)


def _without(whole: bytes, wanted: Wanted, kind: Kind) -> bytes:
    """A frame of answers without the user's rows."""
    if not wanted.may_be_in(whole):
        return whole
    record = AnswerRecord.of(whole[FRAME_HEAD.size :])
    rows, routed = record.rows_of(wanted, kind), record.requests_routed_by(wanted, kind)
    return frame(ANSWERS, record.without(rows, kind.widths, routed).payload()) if len(rows) or len(routed) else whole


def clean(folder: Path) -> None:
    """Remove what an erasure that was killed has left."""
    for path in folder.glob(PARTIAL.format("*")):
        path.unlink()


@contextmanager
def _opened(path: Path) -> Iterator[Segment]:
    segment = Segment(path)
    try:
        yield segment
    finally:
        segment.close()


def _lock(path: Path, segment: Segment) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ValueError(f"{segment.name} is being written; run the command again when it is closed") from None
    finally:
        os.close(descriptor)


def _why_not(kind: Kind, own: str | None, wanted: Wanted, has_routing_keys: bool) -> str | None:
    hiding = {wanted.column: kind.columns.get(wanted.column)}
    if wanted.in_caller_keys:
        hiding["the caller's key"] = kind.caller_key
    dropped = [name for name, how in hiding.items() if how == DROP]
    if dropped:
        return f"{dropped[0]} was dropped before it was written: nothing says whose rows they are"
    if has_routing_keys:  # they are hidden as the caller's keys are
        hiding["the routing key"] = kind.caller_key
    hashed = [name for name, how in hiding.items() if how == KEYED_HASH]
    if hashed and own != wanted.fingerprint:
        return f"{hashed[0]} was hashed with another key (fingerprint {own}): put that key into serving.journal.key_file"
    return None
