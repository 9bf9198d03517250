"""What else was computed of an answer: what shadows of it say, and what a release said that then handed the request on.

Other writers than the answer's have that, at about the time of the answer: a shadow by the answer's id, what was handed on by the
caller's id of the request, since it has no other.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lifecycle.journal.answers import AnswersPile
from lifecycle.journal.columns import DAY, HOUR, Kind
from lifecycle.journal.retention import opened
from lifecycle.journal.segments import NotASegment, Segment
from lifecycle.journal.served import SHADOWED
from lifecycle.replay.batches import GraphBatches, Writing, batches_of
from lifecycle.replay.find import NAME, frames_with, one_batch, parquet_batches
from serving.journal.folder import SEGMENTS
from serving.triton.journal.layout import ANSWERS, HANDED_ON, SHADOW

APART = timedelta(hours=1)  # from the answer, at most


@dataclass(frozen=True, kw_only=True)
class OtherRows:
    """An answer's rows where they were computed beside it."""

    batches: GraphBatches  # one
    places: np.ndarray  # of the rows
    is_shadow: bool  # else they were handed on


def others_of(folder: Path, store: Path, wanted: UUID, request_id: str | None, answered_ns: int) -> Iterator[OtherRows]:
    """Each, of segments and, where they are gone, of Parquet. Raises NoRelease as `parquet_batches` does."""
    answered, read = datetime.fromtimestamp(answered_ns / 1e9, UTC), set[str]()
    for path in _likely(folder, answered):
        try:
            segment = Segment(path)
        except (NotASegment, FileNotFoundError):
            continue
        read.add(path.stem)
        try:
            for frame in frames_with(segment, wanted.bytes, [SHADOW]):
                yield _shadow(one_batch(segment, frame).batches, wanted)
            if request_id is not None:
                yield from _handed_on(segment, request_id.encode())
        finally:
            segment.close()
    for hour in (answered, answered + APART):
        for path in sorted((folder / SHADOWED / f"{DAY}={hour:%Y-%m-%d}" / f"{HOUR}={hour:%H}").glob("*.parquet")):
            if path.stem not in read:
                yield from (_shadow(batches, wanted) for batches in _in_parquet(folder, store, path, str(wanted)))


def _shadow(batches: GraphBatches, wanted: UUID) -> OtherRows:
    return OtherRows(batches=batches, places=batches.rows_of(wanted.bytes, [SHADOW]), is_shadow=True)


def _handed_on(segment: Segment, request_id: bytes) -> Iterator[OtherRows]:
    content, kind = segment.content, Kind.of(segment.about)
    for frame in segment.frames() if content.find(request_id) >= 0 else ():
        if frame.kind != ANSWERS or content.find(request_id, frame.start, frame.end) < 0:
            continue
        pile = AnswersPile(kind.widths)
        pile.add(content, frame.start, frame.end)
        answers = pile.take()
        requests_R = answers.requests_R
        id_ends, row_ends = (np.cumsum(requests_R[name].astype(np.int64)) for name in ("id_bytes", "rows"))
        for place in np.flatnonzero(requests_R["status"] == HANDED_ON).tolist():
            id_bytes, rows = int(requests_R["id_bytes"][place]), int(requests_R["rows"][place])
            if answers.request_ids[id_ends[place] - id_bytes : id_ends[place]] == request_id:
                batches = batches_of(answers, segment.name, Writing.of(segment.about), kind)
                places = np.arange(row_ends[place] - rows, row_ends[place])
                yield OtherRows(batches=batches, places=places, is_shadow=False)


def _likely(folder: Path, answered: datetime) -> Iterator[Path]:
    """Segments that were open at about that time: of each writer those that were begun then, and the one before."""
    by_writer: defaultdict[str, list[Path]] = defaultdict(list)
    for path in sorted((folder / SEGMENTS).glob("*.segment")):
        if (match := NAME.fullmatch(path.name)) and opened(path) <= answered + APART:
            by_writer[match[2]].append(path)
    for paths in by_writer.values():
        early = [path for path in paths if opened(path) < answered - APART]
        yield from paths[max(len(early) - 1, 0) :]


def _in_parquet(folder: Path, store: Path, path: Path, wanted: str) -> Iterator[GraphBatches]:
    rows = pq.ParquetFile(path).read(["prediction_id", "answered_at"])
    moments = pc.unique(rows.filter(pc.equal(rows["prediction_id"], wanted))["answered_at"])
    if len(moments):
        whole = pq.ParquetFile(path).read()
        for moment in moments:
            yield parquet_batches(folder, store, path, whole.filter(pc.equal(whole["answered_at"], moment)))
