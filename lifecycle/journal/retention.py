"""What is kept of a journal, and for how long: what is too old goes, and the oldest where it holds too much.

A segment goes only when its rows are in Parquet. Killed at any point, the program goes on where it was: a segment is removed
before its note, so none is made Parquet of twice.
"""

import os
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from lifecycle.journal.served import DONE, SEGMENT, names_done, parquet_files
from serving.journal.bound import GIB, TIDIED, disk_bytes, files_below
from serving.journal.folder import SEGMENTS


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

    path: str
    until: datetime
    size: int
    is_segment: bool


def expire(folder: Path, keep_days: float | None, max_gib: float | None, now: datetime) -> Removed:
    """Remove what is older than `keep_days`, and then the oldest until the folder holds less than it may."""
    removed, kept = Removed(), list[Expirable]()
    for file in sorted(_expirable(folder), key=lambda file: (not file.is_segment, file.until, file.path)):
        if keep_days is not None and file.until < now - timedelta(days=keep_days):
            _remove(file, removed)
        else:
            kept.append(file)
    if max_gib is not None:
        too_many = disk_bytes(folder) - TIDIED * max_gib * GIB
        for file in kept:
            if too_many <= 0:
                break
            _remove(file, removed)
            removed.young, too_many = removed.young + 1, too_many - file.size
        removed.is_short = too_many > 0
    _remove_notes(folder)
    return removed


def opened(segment: Path) -> datetime:
    """When it was begun, as its name says."""
    return datetime.fromisoformat(segment.name.split("-")[0])


def _expirable(folder: Path) -> list[Expirable]:
    """Parquet files and segments whose rows are in Parquet."""
    done = names_done(folder)
    until: defaultdict[str, datetime] = defaultdict(lambda: datetime.min.replace(tzinfo=UTC))  # by the segment's name
    found = []
    for entry in parquet_files(folder):
        segment = entry.name.removesuffix(".parquet") + SEGMENT
        if segment in done:  # another one's is made again
            until[segment] = max(until[segment], end := _until(Path(entry.path)))
            found.append(Expirable(path=entry.path, until=end, size=entry.stat().st_size, is_segment=False))
    for entry in files_below(folder / SEGMENTS):
        if entry.name in done:
            last = until[entry.name] if entry.name in until else opened(Path(entry.name))
            found.append(Expirable(path=entry.path, until=last, size=entry.stat().st_size, is_segment=True))
    return found


def _until(path: Path) -> datetime:
    """The end of a Parquet file's hour."""
    day, hour = (part.split("=")[1] for part in path.parts[-3:-1])
    return datetime.fromisoformat(f"{day}T{hour}:00:00+00:00") + timedelta(hours=1)


def _remove(file: Expirable, removed: Removed) -> None:
    os.unlink(file.path)
    removed.num_bytes += file.size
    if file.is_segment:
        removed.segments += 1
        return
    removed.files += 1
    hour = Path(file.path).parent
    for folder in (hour, hour.parent):  # of the day
        if any(os.scandir(folder)):
            break
        folder.rmdir()


def _remove_notes(folder: Path) -> None:
    """A note of which neither the segment nor a file is there any more."""
    left = {entry.name.removesuffix(".parquet") + SEGMENT for entry in parquet_files(folder)}
    left |= {entry.name for entry in files_below(folder / SEGMENTS)}
    for segment in names_done(folder) - left:
        (folder / DONE / f"{segment}.json").unlink()
