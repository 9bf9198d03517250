"""A journal takes as much of the disk as it may, and no more: beside the server a thread looks, warns, and in the end marks the
folder as full. The writers then do with an answer, or an image, what `serving.journal.on_error` says.
"""

import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from contracts.serving.config import JournalConfig
from serving.journal.pace import Pace
from serving.triton.journal.images import IMAGES
from serving.triton.journal.options import FULL, IMAGES_FULL

PARTS = ("segments", "served", "shadowed", "partial")  # of the folder, whose files count
LOOK_S = 2.0
TIDIED = 0.8  # of a bound is what `lifecycle.journal` leaves: a warning then means that it is behind
WARNED, QUIET = 0.9, 0.85  # of a bound: a warning from here on, and again after it was less than that
GIB = 2**30


@contextmanager
def bounded(folder: Path, config: JournalConfig, look_s: float = LOOK_S) -> Iterator[None]:
    """While it lasts a mark is in the folder if, and as long as, it holds as much as it may; another one for its images."""
    bounds = bounds_of(folder, config)
    for mark in (FULL, IMAGES_FULL):
        (folder / mark).unlink(missing_ok=True)  # of a server that was killed
    stopped, pace = threading.Event(), Pace(look_s)
    _look(bounds, pace)
    thread = threading.Thread(target=_keep_looking, args=(bounds, stopped, pace), name="journal-bound", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
        for bound in bounds:
            with suppress(OSError):  # the disk may be read-only by now; whoever starts the next server removes the mark
                bound.mark.unlink(missing_ok=True)


def bounds_of(folder: Path, config: JournalConfig) -> list["Bound"]:
    found = [Bound(folder, IMAGES_FULL, (IMAGES,), "images_max_gib", config.images_max_gib)]
    if config.max_gib is not None:
        found.append(Bound(folder, FULL, PARTS, "max_gib", config.max_gib))
    return found


@dataclass
class Bound:
    """What is said and done of the size of some of the folder's parts."""

    folder: Path
    name: str  # of the mark
    parts: Sequence[str]
    key: str  # of serving.journal
    max_gib: float
    _is_warned: bool = field(default=False, init=False)
    _is_full: bool = field(default=False, init=False)

    @property
    def mark(self) -> Path:
        return self.folder / self.name

    def look(self) -> None:
        """Once. A mark that cannot be set, on a full disk, is not missed: nothing can be written then anyway."""
        size = disk_bytes(self.folder, self.parts) / GIB
        is_full = size >= self.max_gib
        with suppress(OSError):
            self.mark.touch() if is_full else self.mark.unlink(missing_ok=True)
        if is_full and not self._is_full:
            self._say(size, "nothing more is written until there is room (serving.journal.on_error)")
        elif self._is_full and not is_full:
            self._say(size, "it is written again")
        elif size >= WARNED * self.max_gib and not self._is_warned:
            self._say(size, "soon nothing more is written")
        self._is_full = is_full
        self._is_warned = size >= (QUIET if self._is_warned else WARNED) * self.max_gib

    def _say(self, size: float, then: str) -> None:
        what = ", ".join(f"{part}/" for part in self.parts)
        print(
            f"serve: the journal in {self.folder} holds {size:.3g} of {self.max_gib:g} GiB (serving.journal.{self.key}: {what}): "
            f"{then}; `python -m lifecycle.journal --follow` removes the oldest",
            file=sys.stderr,
            flush=True,
        )


def _look(bounds: list[Bound], pace: Pace) -> None:
    with pace:
        for bound in bounds:
            bound.look()


def _keep_looking(bounds: list[Bound], stopped: threading.Event, pace: Pace) -> None:
    while not stopped.wait(pace.left_s):
        _look(bounds, pace)


def disk_bytes(folder: Path, parts: Sequence[str] = PARTS) -> int:
    """Of all files in these parts of a journal, those in the making too."""
    return sum(_size(entry) for part in parts for entry in files_below(folder / part))


def files_below(folder: str | Path) -> Iterator["os.DirEntry[str]"]:
    """Every regular file at any depth; folders that are not there, or go away meanwhile, have none."""
    try:
        entries = [*os.scandir(folder)]
    except FileNotFoundError:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from files_below(entry.path)
        elif entry.is_file(follow_symlinks=False):
            yield entry


def _size(entry: "os.DirEntry[str]") -> int:
    try:
        return entry.stat(follow_symlinks=False).st_size
    except FileNotFoundError:  # removed, or renamed, since its name was read
        return 0
