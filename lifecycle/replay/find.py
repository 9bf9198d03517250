"""Where an answer is: its record in a segment, or its batch's rows as Parquet once the segment has been removed.

The last 62 bits of an id are its writer, who is in the name of each of its segments; its ids only grow, so few of these are read.
"""

import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lifecycle.journal.answers import AnswersPile
from lifecycle.journal.columns import ANSWER, DAY, HOUR, Kind, table_of
from lifecycle.journal.segments import Frame, NotASegment, Segment
from lifecycle.journal.served import DONE, SERVED, SHADOWED
from lifecycle.replay.batches import GraphBatches, Writing, batches_of, batches_of_rows
from lifecycle.replay.release import Released
from serving.journal.folder import SEGMENTS
from serving.triton.journal.layout import ANSWERS, ANSWERS_HEAD, HANDED_ON, REQUEST, REQUESTS, SECTION

NAME = re.compile(r"(\d{8})T\d{6}\.\d{3}Z-([0-9a-f]{16})-(\d+)\.segment")
WRITER_BITS = 62


@dataclass(frozen=True, kw_only=True)
class FoundBatch:
    """An answer's batch, and the batch's answered rows as `lifecycle.journal` makes them Parquet."""

    batches: GraphBatches  # one
    rows: pa.Table


def prediction_id(text: str) -> UUID:
    """Raises ValueError if it is none."""
    try:
        found = UUID(text)
    except ValueError:
        found = None
    if found is None or found.version != 7 or str(found) != text.lower():
        raise ValueError(
            f"'{text}' is no prediction id: expected a UUID of version 7, as an answer's output prediction_id has it "
            "(01900000-0000-7000-8000-000000000000)"
        )
    return found


def instant(unix_ns: int) -> str:
    """A time as text, to the microsecond."""
    return f"{datetime.fromtimestamp(unix_ns // 10**9, UTC):%Y-%m-%dT%H:%M:%S}.{unix_ns % 10**9 // 1000:06d}Z"


def find_answer(folder: Path, store: Path, wanted: UUID) -> FoundBatch:
    """The batch in which an answer was computed. Raises ValueError if it is nowhere in the journal."""
    writer = f"{wanted.int & (1 << WRITER_BITS) - 1:016x}"
    paths = segments_of(folder, writer)
    found = _in_segments(paths, wanted.bytes) or _in_parquet(folder, store, writer, wanted)
    if found is not None:
        return found
    when = f"{datetime.fromtimestamp((wanted.int >> 80) / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
    noted = [*(folder / DONE).glob(f"*-{writer}-*.json")] if (folder / DONE).is_dir() else []
    if not paths and not noted:
        raise ValueError(
            f"{wanted} is not in {folder}: nothing of its writer {writer} is there. It is of {when}; either another journal "
            "has it, or its segment and Parquet files were removed"
        )
    raise ValueError(
        f"{wanted} is not in {folder}: its writer {writer} is known, but no record has that id. It is of {when}; either its "
        "segment and Parquet files were removed, or the record was lost or damaged (python -m lifecycle.journal names damage)"
    )


def segments_of(folder: Path, writer: str) -> list[Path]:
    """The segments of a writer, oldest first."""
    named = ((NAME.fullmatch(path.name), path) for path in (folder / SEGMENTS).glob(f"*-{writer}-*.segment"))
    return [path for _, path in sorted((int(match[3]), path) for match, path in named if match)]


def kept_about(folder: Path, stem: str) -> dict[str, Any]:
    """What the note of a segment that was made Parquet says of its header; empty if it does not."""
    path = folder / DONE / f"{stem}.segment.json"
    found: dict[str, Any] = json.loads(path.read_text()).get("about", {}) if path.is_file() else {}
    return found


def requests_in(content: Any, frame: Frame) -> list[tuple[bytes, int]]:
    """Id and status of each request of a record."""
    sections, _, _, requests, *_ = ANSWERS_HEAD.unpack_from(content, frame.start)
    at = frame.start + ANSWERS_HEAD.size
    start = at + sections * SECTION.size
    for place in range(sections):
        tag, size = SECTION.unpack_from(content, at + place * SECTION.size)
        if tag == REQUESTS:
            found = (REQUEST.unpack_from(content, start + number * REQUEST.size) for number in range(requests))
            return [(own, status) for own, _, _, status, _, _ in found]
        start += size
    return []


def first_id(content: Any, frame: Frame) -> bytes:
    """Of the record's requests that are not handed on, the first one's."""
    return next((own for own, status in requests_in(content, frame) if status != HANDED_ON), bytes(16))


def first_drawn(content: Any, frame: Frame) -> bytes | None:
    """The record's first id that its writer drew: that of a shadow is another one's."""
    return next((own for own, status in requests_in(content, frame) if status in ANSWER), None)


def one_batch(segment: Segment, frame: Frame) -> FoundBatch:
    kind = Kind.of(segment.about)
    pile = AnswersPile(kind.widths)
    pile.add(segment.content, frame.start, frame.end)
    answers = pile.take()
    return FoundBatch(
        batches=batches_of(answers, segment.name, Writing.of(segment.about), kind),
        rows=table_of(answers, kind),
    )


def _in_segments(paths: list[Path], wanted: bytes) -> FoundBatch | None:
    """Begins where the id has to be, and looks at the others only if it is not there."""
    known = [path for path in paths if _begins(path) is not None]
    place = bisect_right(known, wanted, key=lambda path: _begins(path) or b"")
    for path in dict.fromkeys(known[max(place - 1, 0) : place + 1]):
        segment = Segment(path)
        try:
            if (frame := _frame_of(segment, wanted)) is not None:
                return one_batch(segment, frame)
        finally:
            segment.close()
    return None


@cache
def _begins(path: Path) -> bytes | None:
    """The first id of a segment that its writer drew; None if there is none, or it cannot be read."""
    try:
        segment = Segment(path)
    except (NotASegment, FileNotFoundError):
        return None
    try:
        firsts = (first_drawn(segment.content, frame) for frame in segment.frames() if frame.kind == ANSWERS)
        return next((first for first in firsts if first is not None), None)
    finally:
        segment.close()


def _frame_of(segment: Segment, wanted: bytes) -> Frame | None:
    return next(frames_with(segment, wanted, ANSWER), None)


def frames_with(segment: Segment, wanted: bytes, statuses: Sequence[int]) -> Iterator[Frame]:
    """Records in which the request of this id has one of these statuses."""
    at = segment.content.find(wanted)
    for frame in segment.frames() if at >= 0 else ():
        if frame.kind == ANSWERS and frame.end > at:
            found = requests_in(segment.content, frame)
            if any((wanted, status) in found for status in statuses):
                yield frame


def _in_parquet(folder: Path, store: Path, writer: str, wanted: UUID) -> FoundBatch | None:
    when = datetime.fromtimestamp((wanted.int >> 80) / 1000, UTC)
    likely = f"{DAY}={when:%Y-%m-%d}/{HOUR}={when:%H}"
    paths = [*(folder / SERVED).glob(f"{DAY}=*/{HOUR}=*/*-{writer}-*.parquet")]
    for path in sorted(paths, key=lambda path: (likely not in str(path), path)):
        file = pq.ParquetFile(path)
        ids = pc.fill_null(file.read(["prediction_id"])["prediction_id"], "")
        place = pc.index(ids, str(wanted)).as_py()
        if place < 0:
            continue
        answered_at = file.read(["answered_at"])["answered_at"]
        rows = file.read().filter(pc.equal(answered_at, answered_at[place]))
        return FoundBatch(batches=parquet_batches(folder, store, path, rows), rows=rows)
    return None


def parquet_batches(folder: Path, store: Path, path: Path, rows: pa.Table) -> GraphBatches:
    """Rows of a file that `lifecycle.journal` made as batches; all rows of each have to be there.

    What is in their columns is said by the note of the segment, or else by the release, of which NoRelease is raised.
    """
    about = kept_about(folder, path.stem)
    release, is_shadow = int(rows["release"][0].as_py()), path.is_relative_to(folder / SHADOWED)
    if about:
        return batches_of_rows(rows, path.name, Writing.of(about), Kind.of(about), is_shadow)
    schema = Released(store, release).settings["journal"]
    return batches_of_rows(rows, path.name, Writing(release=release), Kind.of({"schema": schema}), is_shadow)
