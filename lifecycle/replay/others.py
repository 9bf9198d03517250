"""What else was computed of an answer: what another arm said of its rows, and rows that were handed on with its id.

Other writers than the answer's have that, at about the time of the answer.
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pyarrow.compute as pc
import pyarrow.parquet as pq

from lifecycle.journal.columns import DAY, HOUR
from lifecycle.journal.retention import opened
from lifecycle.journal.segments import NotASegment, Segment
from lifecycle.journal.served import SHADOWED
from lifecycle.replay.batches import GraphBatches
from lifecycle.replay.find import NAME, frames_with, one_batch, parquet_batches
from serving.journal.folder import SEGMENTS
from serving.triton.journal.layout import HANDED_ON, SHADOW

OTHERS = (SHADOW, HANDED_ON)  # statuses
APART = timedelta(hours=1)  # from the answer, at most


def others_of(folder: Path, store: Path, wanted: UUID, answered_ns: int) -> Iterator[GraphBatches]:
    """The batch of each, of segments and, where they are gone, of Parquet. Raises NoRelease as `parquet_batches` does."""
    answered, read = datetime.fromtimestamp(answered_ns / 1e9, UTC), set[str]()
    for path in _likely(folder, answered):
        try:
            segment = Segment(path)
        except (NotASegment, FileNotFoundError):
            continue
        read.add(path.stem)
        try:
            for frame in frames_with(segment, wanted.bytes, OTHERS):
                yield one_batch(segment, frame).batches
        finally:
            segment.close()
    for hour in (answered, answered + APART):
        for path in sorted((folder / SHADOWED / f"{DAY}={hour:%Y-%m-%d}" / f"{HOUR}={hour:%H}").glob("*.parquet")):
            if path.stem not in read:
                yield from _in_parquet(folder, store, path, str(wanted))


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
