"""Who has a file of a journal open for writing: whoever writes one holds its lock (`flock`), and loses it by dying."""

import fcntl
import os
from pathlib import Path


def is_held(path: Path) -> bool:
    """Does a writer that lives have it. Raises FileNotFoundError."""
    file = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False
