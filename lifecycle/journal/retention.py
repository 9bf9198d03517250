"""What is kept of a journal, and for how long: what is too old goes, and the oldest where it holds too much.

A segment goes only when its rows are in Parquet. Killed at any point, the program goes on where it was: a segment is removed
before its note, so none is made Parquet of twice.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from lifecycle.journal.columns import DAY, HOUR
from lifecycle.journal.served import DONE, SERVED
from serving.journal.bound import GIB, disk_bytes
from serving.journal.folder import SEGMENTS

AFTER = 0.8  # of the bound is what the folder holds at most afterwards: before the server warns at 0.9
STAMP = "%Y%m%dT%H%M%S.%fZ"  # a segment's name begins with it: when it was opened


@dataclass(kw_only=True)
class Removed:
    """What is gone."""

    segments: int = 0
    files: int = 0  # Parquet
    num_bytes: int = 0
    young: int = 0  # of both: for want of room, before they were too old
    is_short: bool = False  # there is not as much room as there should be: the rest is not in Parquet yet

    def __str__(self) -> str:
        said = f"removed {self.segments} segments and {self.files} Parquet files, {self.num_bytes / 2**20:,.1f} MiB"
        return said + f"; {self.young} of them for want of room (serving.journal.max_gib)" * bool(self.young)


@dataclass(frozen=True, kw_only=True)
class Expirable:
    """A file that may go, and until when the rows in it were answered."""

    path: Path
    until: datetime
    size: int
    is_segment: bool


def expire(folder: Path, keep_days: float | None, max_gib: float | None, now: datetime) -> Removed:
    """Remove what is older than `keep_days`, and then the oldest until the folder holds less than it may."""
    removed = Removed()
    kept = sorted([*_segments(folder), *_files(folder)], key=lambda file: (not file.is_segment, file.until, file.path))
    for file in [*kept]:
        if keep_days is not None and file.until < now - timedelta(days=keep_days):
            _remove(file, removed)
            kept.remove(file)
    size = disk_bytes(folder)
    while max_gib is not None and size > AFTER * max_gib * GIB and kept:
        size -= kept[0].size
        removed.young += 1
        _remove(kept.pop(0), removed)
    removed.is_short = max_gib is not None and size > AFTER * max_gib * GIB
    _remove_notes(folder)
    return removed


def opened(segment: Path) -> datetime:
    """When it was begun, as its name says."""
    return datetime.strptime(segment.name.split("-")[0], STAMP).replace(tzinfo=UTC)


def _segments(folder: Path) -> Iterator[Expirable]:
    """Those whose rows are in Parquet."""
    for note in (folder / DONE).glob("*.json"):
        segment = folder / SEGMENTS / note.name.removesuffix(".json")
        if segment.is_file():
            hours = [_until(Path(name)) for name in json.loads(note.read_bytes())["files"]]
            yield Expirable(path=segment, until=max(hours, default=opened(segment)), size=segment.stat().st_size, is_segment=True)


def _files(folder: Path) -> Iterator[Expirable]:
    """Parquet files of segments that are done: another one's are made again."""
    for path in (folder / SERVED).glob(f"{DAY}=*/{HOUR}=*/*.parquet"):
        if (folder / DONE / f"{path.stem}.segment.json").is_file():
            yield Expirable(path=path, until=_until(path), size=path.stat().st_size, is_segment=False)


def _until(path: Path) -> datetime:
    """The end of a Parquet file's hour."""
    day, hour = (part.split("=")[1] for part in path.parts[-3:-1])
    return datetime.fromisoformat(f"{day}T{hour}:00:00+00:00") + timedelta(hours=1)


def _remove(file: Expirable, removed: Removed) -> None:
    file.path.unlink()
    removed.num_bytes += file.size
    if file.is_segment:
        removed.segments += 1
        return
    removed.files += 1
    for folder in (file.path.parent, file.path.parent.parent):  # of the hour, of the day
        if any(folder.iterdir()):
            break
        folder.rmdir()


def _remove_notes(folder: Path) -> None:
    """A note of which neither the segment nor a file is there any more."""
    left = {path.stem for path in (folder / SERVED).glob(f"{DAY}=*/{HOUR}=*/*.parquet")}
    left |= {path.stem for path in (folder / SEGMENTS).glob("*.segment")}
    for note in (folder / DONE).glob("*.json"):
        if note.name.removesuffix(".segment.json") not in left:
            note.unlink()
