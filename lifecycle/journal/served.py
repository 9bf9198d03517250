"""Closed segments as Parquet files, each row exactly once, whenever the program is killed.

A segment is closed when nobody holds its lock: its writer has ended it, or has died. What is made of it follows from its bytes
alone, files and names; they are made beside the folder of the others, renamed into it, and then a note says that the segment is
done. Killed before the note is there, the program makes the same files again.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from contracts.files import sync
from contracts.tables.parquet import ParquetRows
from lifecycle.journal.answers import AnswersPile
from lifecycle.journal.columns import DAY, HOUR, SHADOWS, Kind, table_of
from lifecycle.journal.locks import is_held
from lifecycle.journal.segments import Damage, Segment
from lifecycle.locking import alone
from serving.journal.bound import files_below
from serving.journal.folder import MODE, SEGMENTS
from serving.triton.journal.layout import ANSWERS, CLOSED, EVENT, LOSS, LOST, REFUSAL, REFUSALS, SHADOW

SEGMENT = ".segment"  # how the name of a segment ends
SERVED, SHADOWED = "served", "shadowed"  # data sets: what was answered, and what an arm computed of it that nobody was sent
PARTIAL, DONE, LOCK = "partial", "done", "served.lock"
CHUNK_ROWS, CHUNK_BYTES = 1 << 16, 1 << 25  # decoded at once, or a frame that has more
SOUGHT = ["prediction_id", "answered_at", "event_at", "request_id", "key", "release"]  # columns by which row groups are skipped
HOUR_NS = 3600 * 10**9


@dataclass(kw_only=True)
class Done:
    """What became of a segment."""

    segment: str
    rows: int = 0
    refused: int = 0  # requests
    lost_requests: int = 0  # that it tells of
    lost_rows: int = 0
    is_ended: bool = False  # by its writer
    files: list[str] = field(default_factory=list)  # below SERVED
    shadow_rows: int = 0
    shadow_files: list[str] = field(default_factory=list)  # below SHADOWED
    events: list[dict[str, Any]] = field(default_factory=list)  # what happened to routes
    damages: list[dict[str, Any]] = field(default_factory=list)
    about: dict[str, Any] = field(default_factory=dict)  # its header: who wrote it, and what is in its columns


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Raises ValueError if another process makes Parquet of this journal, or there is no journal."""
    if not (folder / SEGMENTS).is_dir():
        raise ValueError(f"{folder} holds no journal; serve with serving.journal.enabled, or name its folder")
    for name in (SERVED, SHADOWED, PARTIAL, DONE):
        (folder / name).mkdir(mode=MODE, exist_ok=True)
    taken = f"another process makes Parquet files of {folder} or erases from it; stop it, or wait for it"
    with alone(folder / LOCK, taken):
        for left in (folder / PARTIAL).iterdir():  # by one that was killed
            left.unlink()
        yield


def parquet_files(folder: Path) -> Iterator["os.DirEntry[str]"]:
    """Of both data sets."""
    for dataset in (SERVED, SHADOWED):
        yield from files_below(folder / dataset)


def names_done(folder: Path) -> set[str]:
    """Segments whose rows are in Parquet; some are removed since."""
    return {entry.name.removesuffix(".json") for entry in files_below(folder / DONE) if entry.name.endswith(f"{SEGMENT}.json")}


def unserved(folder: Path) -> list[Path]:
    """Segments that are not done, oldest first; some are being written."""
    names = {entry.name for entry in files_below(folder / SEGMENTS) if entry.name.endswith(SEGMENT) and entry.name[0] != "."}
    return [folder / SEGMENTS / name for name in sorted(names - names_done(folder))]


def waiting(folder: Path) -> list[Path]:
    """Closed segments that are not done, oldest first."""
    return [path for path in unserved(folder) if is_closed(path)]


def is_closed(path: Path) -> bool:
    """Is the segment there, and nobody writes to it. A writer has the lock of a segment before that has its name."""
    with suppress(FileNotFoundError):
        return not is_held(path)
    return False


def serve_segment(folder: Path, path: Path) -> Done:
    """Make the Parquet files of a closed segment, and note it. Raises NotASegment or Unreadable, and then has made none."""
    segment = Segment(path)
    try:
        done, files, shadow_files = _written(folder, segment)
    finally:
        segment.close()
    done.files = [_renamed(file).relative_to(folder / SERVED).as_posix() for file in files]
    done.shadow_files = [_renamed(file).relative_to(folder / SHADOWED).as_posix() for file in shadow_files]
    note = folder / DONE / f"{segment.name}.json"
    partial = folder / PARTIAL / note.name
    partial.write_text(json.dumps(asdict(done), indent=1))
    sync(partial)
    os.replace(partial, note)
    sync(note.parent)
    return done


Renaming = tuple[Path, Path]  # from, to


def _renamed(file: Renaming) -> Path:
    """Where it is then."""
    partial, target = file
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(partial, target)
    sync(target.parent)
    return target


def _written(folder: Path, segment: Segment) -> tuple[Done, list[Renaming], list[Renaming]]:
    """What is in a segment, and its rows in files that have to be renamed: what was answered, and what shadowed it."""
    done, content = Done(segment=segment.name, about=segment.about), segment.content
    kind = Kind.of(segment.about)
    pile = AnswersPile(kind.widths)
    hours, shadow_hours = (Hours(folder, dataset, segment.name) for dataset in (SERVED, SHADOWED))

    def write() -> None:
        answers = pile.take()
        done.rows += hours.write(table_of(answers, kind))
        if (answers.requests_R["status"] == SHADOW).any():
            done.shadow_rows += shadow_hours.write(table_of(answers, kind, SHADOWS))

    try:
        for frame in segment.frames():
            if frame.kind == ANSWERS:
                pile.add(content, frame.start, frame.end)
                if pile.num_rows >= CHUNK_ROWS or pile.num_bytes >= CHUNK_BYTES:
                    write()
                    segment.forget(frame.end)
            elif frame.kind == REFUSALS:
                done.refused += _num_refusals(content[frame.start : frame.end])
            elif frame.kind == LOSS:
                requests, rows, _, _ = LOST.unpack_from(content, frame.start)
                done.lost_requests, done.lost_rows = done.lost_requests + requests, done.lost_rows + rows
            elif frame.kind == EVENT and (event := segment.event(frame)) is not None:
                done.events.append(event)
            done.is_ended = frame.kind == CLOSED
        if pile.num_rows:
            write()
    finally:
        files, shadow_files = hours.close(), shadow_hours.close()
    done.damages = [asdict(damage) for damage in segment.damages]
    return done, files, shadow_files


class Hours:
    """A segment's rows for a data set by the hour in which they were answered, UTC: a file each."""

    def __init__(self, folder: Path, dataset: str, segment: str) -> None:
        self._folder, self._dataset, self._stem = folder, dataset, segment.removesuffix(SEGMENT)
        self._open: dict[int, tuple[Path, ParquetRows]] = {}

    def write(self, table: pa.Table) -> int:
        """Add rows; how many they were."""
        hours_N = table["answered_at"].combine_chunks().view(pa.int64()).to_numpy() // HOUR_NS
        for hour in np.unique(hours_N).tolist():
            rows = table if (hours_N == hour).all() else table.filter(pa.array(hours_N == hour))
            for batch in rows.to_batches():
                self._rows(hour).write(batch)
        return len(table)

    def close(self) -> list[tuple[Path, Path]]:
        """End the files, which lie on the disk then; from where to where they have to be renamed."""
        found = []
        for hour, (partial, rows) in sorted(self._open.items()):
            rows.close()
            sync(partial)
            start = datetime.fromtimestamp(hour * 3600, UTC)
            folder = self._folder / self._dataset / f"{DAY}={start:%Y-%m-%d}" / f"{HOUR}={start:%H}"
            found.append((partial, folder / f"{self._stem}.parquet"))
        self._open = {}
        return found

    def _rows(self, hour: int) -> ParquetRows:
        if hour not in self._open:
            partial = self._folder / PARTIAL / f"{self._stem}-{hour}.{self._dataset}.parquet"
            self._open[hour] = partial, ParquetRows(partial, write_statistics=SOUGHT)
        return self._open[hour][1]


def damages_of(done: Done) -> list[Damage]:
    return [Damage(**damage) for damage in done.damages]


def _num_refusals(content: bytes) -> int:
    number = at = 0
    while at < len(content):
        *_, rule, request_id = REFUSAL.unpack_from(content, at)
        at += REFUSAL.size + rule + request_id
        number += 1
    return number
