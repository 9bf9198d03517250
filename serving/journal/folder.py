"""The journal's folder as the server keeps it: one server at a time, and what its models are told of it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from contracts.clock import CLOCK
from contracts.serving.config import JournalConfig
from serving.journal.bound import bounded
from serving.journal.privacy import privacy_variable
from serving.triton.environment import JOURNAL, JOURNAL_IMAGES

SEGMENTS, LOCK = "segments", "lock"
MODE = 0o750  # what clients sent is in there
LONGEST_FOLDER = 1000  # bytes; FOLDER_SIZE in serving/native/journal/options.h


@contextmanager
def kept_journal(config: JournalConfig | None, version: Path | None = None) -> Iterator[dict[str, str]]:
    """What the server's environment says of the journal, whose folder is ours until the end; nothing if none is kept.

    Makes the folder. Raises ValueError if another server keeps a journal there, it cannot be written, or the release in the
    folder `version` has not the columns that are to be hidden.
    """
    if config is None or not config.enabled:
        yield {}
        return
    folder = Path(config.folder).resolve()
    if len(os.fsencode(folder)) > LONGEST_FOLDER:
        raise ValueError(
            f"serving.journal.folder has {len(os.fsencode(folder))} bytes, at most {LONGEST_FOLDER}; take a shorter one"
        )
    privacy = privacy_variable(config, version)
    lock = _locked(folder)
    try:
        images = {} if config.images == "none" else {JOURNAL_IMAGES: config.images}
        clock = {name: os.environ[name] for name in (CLOCK,) if name in os.environ}
        with bounded(folder, config):
            yield {JOURNAL: journal_variable(config, folder)} | images | privacy | clock
    finally:
        os.close(lock)


def journal_variable(config: JournalConfig, folder: Path) -> str:
    """What serving/native/journal/options.h and serving/triton/journal/options.py read."""
    size = max(1, int(config.segment_mib * 2**20))
    return f"{size} {config.segment_s!r} {config.sync_ms} {config.on_error} {folder}"


def make_folders(folder: Path) -> None:
    """The journal's folder and that of its segments, for owner and group alone. Those above get the usual mode."""
    if not folder.parent.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
    for made in (folder, folder / SEGMENTS):
        made.mkdir(mode=MODE, exist_ok=True)


def _locked(folder: Path) -> int:
    """The open lock file, which has our process id in it. Raises ValueError."""
    try:
        make_folders(folder)
        probe = folder / SEGMENTS / f".probe.{os.getpid()}"
        probe.touch()
        probe.unlink()
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o640)
    except OSError as error:
        raise ValueError(f"the journal cannot be written to {folder} (serving.journal.folder): {error.strerror}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.read(lock, 20).decode("ascii", "replace").strip() or "unknown"
        os.close(lock)
        raise ValueError(
            f"another server (process {owner}) keeps its journal in {folder}; give each a folder of its own "
            "(serving.journal.folder)"
        ) from None
    os.ftruncate(lock, 0)
    os.write(lock, f"{os.getpid()}\n".encode())
    return lock
