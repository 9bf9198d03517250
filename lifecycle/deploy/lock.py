"""One change of what is served at a time: a deployment, or a rollout that begins or goes on."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK = ".deploy.lock"


@contextmanager
def alone(store: Path) -> Iterator[None]:
    """The store is ours to deploy to until the end, or until we die. Raises ValueError if it is another one's."""
    descriptor = os.open(store / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(f"another deployment to {store}/ is under way; wait until it has ended") from None
        yield
    finally:
        os.close(descriptor)
