"""Memory that Triton shares with its Python models, some 10 MiB a server: it stays where a server cannot end in order."""

import re
import time
from contextlib import suppress
from pathlib import Path

SHARED = Path("/dev/shm")
REGION = re.compile(r"adclick-([0-9]+)-[0-9]+-.+")
OLD_S = 3600.0  # a server of another container, whose processes are not seen here, has long been started then, and needs no names


def region_prefix(pid: int, http_port: int) -> str:
    """What the names of a server's regions begin with; `pid` is of the process that starts it."""
    return f"adclick-{pid}-{http_port}-"


def remove_regions(prefix: str) -> None:
    """Those of a server that has ended."""
    for path in SHARED.glob(f"{prefix}*"):
        path.unlink(missing_ok=True)


def sweep_regions(shared: Path = SHARED) -> int:
    """Remove old regions that were made for processes which are not there any more; how many."""
    swept = 0
    for path in shared.glob("adclick-*"):
        named = REGION.fullmatch(path.name)
        if named is None or Path("/proc", named[1]).exists():
            continue
        with suppress(OSError):  # another one swept it, or it is another user's
            if time.time() - path.stat().st_mtime >= OLD_S:
                path.unlink()
                swept += 1
    return swept
