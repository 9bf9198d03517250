"""One process at a time: a file's lock, which goes with the process that holds it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MODE = 0o640


@contextmanager
def alone(path: Path, taken: str) -> Iterator[None]:
    """Hold the lock of `path`, which is made if it is missing. Raises ValueError(`taken`) if another process does."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, MODE)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(taken) from None
        yield
    finally:
        os.close(lock)
