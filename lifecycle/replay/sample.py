"""Batches of a journal, of one day or all, in bulk: each whole, and the same share always the same batches."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lifecycle.journal.answers import AnswersPile, Unreadable
from lifecycle.journal.columns import DAY, Kind
from lifecycle.journal.segments import NotASegment, Segment
from lifecycle.journal.served import SERVED, SHADOWED
from lifecycle.replay.batches import GraphBatches, Writing, batches_of
from lifecycle.replay.find import NAME, first_id, parquet_batches
from lifecycle.replay.release import NoRelease
from serving.journal.folder import SEGMENTS
from serving.triton.journal.layout import ANSWERS, ANSWERS_HEAD

CHUNK_ROWS, CHUNK_BYTES = 1 << 15, 1 << 24  # decoded at once, or a batch that has more
NS_PER_DAY = 86400 * 10**9
SLACK = timedelta(days=1)  # a segment's name has the time when it was opened, by a clock that may have been set since


@dataclass(frozen=True, kw_only=True)
class SampleWanted:
    """Which batches."""

    share: float  # of all, 0 to 1
    day: date | None  # of the answers, UTC; None: all days

    def is_in_day(self, answered_ns: int) -> bool:
        return self.day is None or answered_ns // NS_PER_DAY == (self.day - date(1970, 1, 1)).days

    def is_in_share(self, prediction_id: bytes) -> bool:
        """By the hash of the first id of a batch."""
        if self.share >= 1:
            return True
        return int.from_bytes(blake2b(prediction_id, digest_size=8).digest(), "big") < self.share * 2**64


@dataclass(frozen=True, kw_only=True)
class Unread:
    """What could not be read, and why."""

    why: str
    rows: int = 0  # if that is known


def sampled(folder: Path, store: Path, wanted: SampleWanted) -> Iterator[GraphBatches | Unread]:
    """The journal's batches that are wanted, out of segments, and out of Parquet files where the segment is gone."""
    read: set[str] = set()
    for path in sorted((folder / SEGMENTS).glob("*.segment")):
        if wanted.day is None or _opened(path) <= wanted.day + SLACK:
            yield from _of_segment(path, wanted, read)
    below = f"{DAY}={wanted.day if wanted.day else '*'}"
    for dataset in (SERVED, SHADOWED):
        for path in sorted((folder / dataset).glob(f"{below}/*/*.parquet")):
            if path.stem not in read:
                yield from _of_parquet(folder, store, path, wanted)


def _opened(path: Path) -> date:
    match = NAME.fullmatch(path.name)
    return date.min if match is None else datetime.strptime(match[1], "%Y%m%d").replace(tzinfo=UTC).date()


def _of_segment(path: Path, wanted: SampleWanted, read: set[str]) -> Iterator[GraphBatches | Unread]:
    """Its name is added to `read`, unless retention has removed it meanwhile."""
    try:
        segment = Segment(path)
    except NotASegment as error:
        read.add(path.stem)
        yield Unread(why=str(error))
        return
    except FileNotFoundError:
        return
    read.add(path.stem)
    try:
        kind, writing, content = Kind.of(segment.about), Writing.of(segment.about), segment.content
        pile = AnswersPile(kind.widths)
        for frame in segment.frames():
            if frame.kind != ANSWERS:
                continue
            answered_ns = ANSWERS_HEAD.unpack_from(content, frame.start)[5]
            if not wanted.is_in_day(answered_ns) or (wanted.share < 1 and not wanted.is_in_share(first_id(content, frame))):
                continue
            pile.add(content, frame.start, frame.end)
            if pile.num_rows >= CHUNK_ROWS or pile.num_bytes >= CHUNK_BYTES:
                yield batches_of(pile.take(), path.name, writing, kind)
                segment.forget(frame.end)
        if pile.num_rows:
            yield batches_of(pile.take(), path.name, writing, kind)
        for damage in segment.damages:
            if not damage.is_torn:
                yield Unread(why=str(damage))
    except Unreadable as error:
        yield Unread(why=f"{path.name}: {error}")
    finally:
        segment.close()


def _of_parquet(folder: Path, store: Path, path: Path, wanted: SampleWanted) -> Iterator[GraphBatches | Unread]:
    file = pq.ParquetFile(path)
    waiting: pa.Table | None = None  # the last batch may go on in the next rows
    for piece in file.iter_batches(batch_size=CHUNK_ROWS):
        rows = pa.Table.from_batches([piece])
        waiting = rows if waiting is None else pa.concat_tables([waiting, rows])
        answered_ns_N = waiting["answered_at"].cast(pa.int64()).to_numpy()
        last = int(np.flatnonzero(np.append(True, np.diff(answered_ns_N) != 0))[-1])
        if last:
            yield from _chosen(folder, store, path, waiting.slice(0, last), wanted)
            waiting = waiting.slice(last)
    if waiting is not None and len(waiting):
        yield from _chosen(folder, store, path, waiting, wanted)


def _chosen(folder: Path, store: Path, path: Path, rows: pa.Table, wanted: SampleWanted) -> Iterator[GraphBatches | Unread]:
    answered_ns_N = rows["answered_at"].cast(pa.int64()).to_numpy()
    starts = np.flatnonzero(np.append(True, np.diff(answered_ns_N) != 0))
    sizes = np.diff(np.append(starts, len(rows)))
    firsts = rows["prediction_id"].take(pa.array(starts)).to_pylist()
    is_chosen_B = np.array(
        [
            wanted.is_in_day(int(answered_ns_N[start])) and wanted.is_in_share(bytes.fromhex(own.replace("-", "")))
            for start, own in zip(starts, firsts, strict=True)
        ]
    )
    chosen = rows if is_chosen_B.all() else rows.filter(pa.array(np.repeat(is_chosen_B, sizes)))
    if not len(chosen):
        return
    try:
        yield parquet_batches(folder, store, path, chosen)
    except NoRelease as error:
        yield Unread(why=str(error), rows=len(chosen))
