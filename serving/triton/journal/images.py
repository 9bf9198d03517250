"""The images of a journal, each once: a file below `images/` whose name is the SHA-256 of what is in it.

A file has its name when it is whole: it is written beside, under a lock, and renamed. It is touched when its image comes again,
so that its time says when that was the last time; lifecycle/journal/images.py removes by it.
"""

import fcntl
import os
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from serving.triton.journal.options import IMAGES_FULL, JournalOptions
from serving.triton.journal.writer import REST_S

IMAGES, PARTIAL = "images", ".new"  # folder within the journal's; how the name of a file ends that is not whole yet
FOLDER_MODE, FILE_MODE = 0o750, 0o640
STORED, LOST = "adclick_journal_images_total", "adclick_journal_images_lost_total"
BYTES = "adclick_journal_image_bytes_total"


def image_path(folder: Path, sha256: str) -> Path:
    """Where the journal in `folder` keeps the image with this digest (64 hexadecimal digits)."""
    return folder / IMAGES / sha256[:2] / sha256


class ImageStore:
    """Keeps images, and has a thread beside it that commits them to the disk.

    `count` takes a family of counters and a number, `say` a sentence.
    """

    def __init__(self, options: JournalOptions, count: Callable[..., None], say: Callable[[str], None]) -> None:
        self._folder, self._refuses, self._count, self._say = options.folder, options.refuses, count, say
        self._now_ns, self._full = options.clock.now_ns, options.folder / IMAGES_FULL
        self._own, self._again, self._is_failing = secrets.token_hex(8), 0.0, False
        self._lock, self._stop, self._new = threading.Lock(), threading.Event(), list[Path]()
        self._thread: threading.Thread | None = None
        if options.sync_ms:
            self._thread = threading.Thread(target=self._run, args=(options.sync_ms / 1000,), name="images", daemon=True)
            self._thread.start()
        for family, outcome in ((STORED, {"outcome": "written"}), (STORED, {"outcome": "there"}), (BYTES, {}), (LOST, {})):
            count(family, 0, **outcome)  # a counter that begins with what was lost would hide its first rise

    def keep(self, images: dict[bytes, bytes]) -> bool:
        """Keep these images, by digest; may the answers to what came with them leave. For one thread."""
        return all(self._keep(image_path(self._folder, digest.hex()), image) for digest, image in images.items())

    def close(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def _keep(self, path: Path, image: bytes) -> bool:
        try:
            if _is_there(path, len(image), self._now_ns()):
                self._count(STORED, outcome="there")
                return True
            if time.monotonic() < self._again:
                return self._lose()
            self._write(path, image)
        except OSError as error:
            self._report(error)
            return self._lose()
        self._report(None)
        self._count(STORED, outcome="written")
        self._count(BYTES, len(image))
        if self._thread is not None:
            with self._lock:
                self._new.append(path)
        return True

    def _lose(self) -> bool:
        if not self._refuses:
            self._count(LOST)
        return not self._refuses

    def _write(self, path: Path, image: bytes) -> None:
        if self._full.exists():
            raise OSError("images/ holds as much as it may (serving.journal.images_max_gib)")
        partial = path.with_name(f".{path.name}.{self._own}{PARTIAL}")
        file = _opened(partial)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # while it is held, nobody takes the file for a dead writer's
            left = memoryview(image)
            while left:
                left = left[os.write(file, left) :]
            os.utime(file, ns=(self._now_ns(), self._now_ns()))
            os.rename(partial, path)
        except OSError:
            with suppress(OSError):
                os.unlink(partial)
            raise
        finally:
            os.close(file)

    def _report(self, error: OSError | None) -> None:
        if error is not None and not self._is_failing:
            then = (
                "requests with such images are refused (serving.journal.on_error: refuse)"
                if self._refuses
                else f"answers go on without it, counted in {LOST}"
            )
            self._say(f"an image cannot be written to the journal: {error}; {then}")
        if error is None and self._is_failing:
            self._say("images are written to the journal again")
        self._is_failing = error is not None
        self._again = 0.0 if error is None else time.monotonic() + REST_S

    def _run(self, sync_s: float) -> None:
        while not self._stop.wait(sync_s):
            self._commit()
        self._commit()

    def _commit(self) -> None:
        with self._lock:
            new, self._new = self._new, []
        folders = {folder for path in new for folder in path.parents[:2]}  # names are in the one, and that in the other
        for path in [*new, *folders]:
            with suppress(OSError):  # it may be gone again
                file = os.open(path, os.O_RDONLY)
                try:
                    os.fsync(file)
                finally:
                    os.close(file)


def _is_there(path: Path, size: int, now_ns: int) -> bool:
    """If it is, the file says that it came now. One of another size is what a power failure left of it."""
    try:
        if os.stat(path).st_size != size:
            return False
        os.utime(path, ns=(now_ns, now_ns))
    except FileNotFoundError:  # also where it was removed in between
        return False
    return True


def _opened(partial: Path) -> int:
    """A new file for writing; its folder is made if there is none."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with suppress(FileNotFoundError):
        return os.open(partial, flags, FILE_MODE)
    for folder in (partial.parent.parent, partial.parent):
        with suppress(FileExistsError):
            os.mkdir(folder, FOLDER_MODE)
    return os.open(partial, flags, FILE_MODE)
