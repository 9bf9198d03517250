"""Answers by the caller's own key: out of the Parquet files, and the segments that are not made Parquet yet."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lifecycle.journal.segments import NotASegment, Segment
from lifecycle.journal.served import DONE, SERVED
from lifecycle.replay.find import instant, one_batch
from serving.journal.folder import SEGMENTS
from serving.triton.journal.layout import ANSWERS

TOLD = ["answered_at", "prediction_id", "row", "release", "probability"]


@dataclass(frozen=True, kw_only=True, order=True)
class Keyed:
    """A row that was answered with this key."""

    answered_ns: int
    prediction_id: str
    row: int
    release: int
    probability: float

    @property
    def answered_at(self) -> str:
        return instant(self.answered_ns)


def answers_with(folder: Path, key: str) -> list[Keyed]:
    """The latest first. Raises ValueError if there is none."""
    found = [*_in_parquet(folder, key), *_in_segments(folder, key)]
    if not found:
        raise ValueError(f"no answer in {folder} has the key '{key}'; a caller sends keys in the input key")
    return sorted(found, reverse=True)


def _in_parquet(folder: Path, key: str) -> Iterator[Keyed]:
    """Only the keys are read of files that do not have it."""
    for path in sorted((folder / SERVED).rglob("*.parquet")):
        file = pq.ParquetFile(path)
        has_N = pc.fill_null(pc.equal(file.read(["key"])["key"], key), False)
        if pc.any(has_N).as_py():
            yield from _keyed(file.read(TOLD).filter(has_N))


def _in_segments(folder: Path, key: str) -> Iterator[Keyed]:
    """Those of which `lifecycle.journal` has not noted that they are Parquet."""
    done = {path.stem for path in (folder / DONE).glob("*.json")}
    content = key.encode("utf-8", "surrogateescape")
    for path in sorted((folder / SEGMENTS).glob("*.segment")):
        if path.name in done:
            continue
        try:
            segment = Segment(path)
        except (NotASegment, FileNotFoundError):
            continue
        try:
            if segment.content.find(content) < 0:
                continue
            for frame in segment.frames():
                if frame.kind == ANSWERS and segment.content.find(content, frame.start, frame.end) >= 0:
                    rows = one_batch(segment, frame).rows
                    yield from _keyed(rows.filter(pc.fill_null(pc.equal(rows["key"], key), False)).select(TOLD))
        finally:
            segment.close()


def _keyed(rows: pa.Table) -> list[Keyed]:
    columns: dict[str, list[Any]] = rows.set_column(0, "answered_at", rows["answered_at"].cast(pa.int64())).to_pydict()
    told = zip(*(columns[name] for name in TOLD), strict=True)
    return [
        Keyed(answered_ns=when, prediction_id=own, row=row, release=release, probability=probability)
        for when, own, row, release, probability in told
    ]
