"""A journal takes as much of the disk as it may, and no more: beside the server a thread looks, warns, and in the end marks the
folder as full. The writers then do with an answer what `serving.journal.on_error` says.
"""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from serving.triton.journal.options import FULL

PARTS = ("segments", "served", "partial")  # of the folder, whose files count
LOOK_S = 2.0
WARNED, QUIET = 0.9, 0.85  # of the bound: a warning from here on, and again after it was less than that
GIB = 2**30


@contextmanager
def bounded(folder: Path, max_gib: float | None, look_s: float = LOOK_S) -> Iterator[None]:
    """While it lasts the file `full` is in the folder if, and as long as, that holds as much as it may."""
    mark = folder / FULL
    mark.unlink(missing_ok=True)  # of a server that was killed
    if max_gib is None:
        yield
        return
    bound, stopped = Bound(folder, max_gib), threading.Event()
    bound.look()
    thread = threading.Thread(target=_keep_looking, args=(bound, stopped, look_s), name="journal-bound", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
        mark.unlink(missing_ok=True)


class Bound:
    """What is said and done of the folder's size."""

    def __init__(self, folder: Path, max_gib: float) -> None:
        self._folder, self._max_gib = folder, max_gib
        self._is_warned = self._is_full = False

    def look(self) -> None:
        """Once. A mark that cannot be set, on a full disk, is not missed: nothing can be written then anyway."""
        size = disk_bytes(self._folder) / GIB
        is_full, mark = size >= self._max_gib, self._folder / FULL
        with suppress(OSError):
            mark.touch() if is_full else mark.unlink(missing_ok=True)
        if is_full and not self._is_full:
            self._say(size, "nothing more is written until there is room (serving.journal.on_error)")
        elif self._is_full and not is_full:
            self._say(size, "it is written again")
        elif size >= WARNED * self._max_gib and not self._is_warned:
            self._say(size, "soon nothing more is written")
        self._is_full = is_full
        self._is_warned = size >= (QUIET if self._is_warned else WARNED) * self._max_gib

    def _say(self, size: float, then: str) -> None:
        print(
            f"serve: the journal in {self._folder} holds {size:.3g} of {self._max_gib:g} GiB (serving.journal.max_gib): {then}; "
            "`python -m lifecycle.journal --follow` makes Parquet of it and removes the oldest",
            file=sys.stderr,
            flush=True,
        )


def _keep_looking(bound: Bound, stopped: threading.Event, look_s: float) -> None:
    while not stopped.wait(look_s):
        bound.look()


def disk_bytes(folder: Path) -> int:
    """Of the journal's segments and Parquet files, those in the making too."""
    return sum(_size(path) for part in PARTS for path in (folder / part).rglob("*"))


def _size(path: Path) -> int:
    try:
        found = path.stat()
    except FileNotFoundError:  # removed, or renamed, since its name was read
        return 0
    return 0 if path.is_dir() else found.st_size
