"""The processes in which Triton runs Python models: which there are, which model and version each of them runs, and the memory
that it shares with them, some 10 MiB a server, which stays where a server cannot end in order.
"""

import re
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

STUB = b"triton_python_backend_stub"
SHARED = Path("/dev/shm")
REGION = re.compile(r"adclick-([0-9]+)-[0-9]+-.+")
OLD_S = 3600.0  # a server of another container, whose processes are not seen here, has long been started then, and needs no names
Served = tuple[str, int]  # model, version


def stubs(server_pid: int) -> dict[int, Served]:
    """Process ids of the server's stubs and what each of them runs (its arguments: program, .../model/version/model.py)."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            arguments = (entry / "cmdline").read_bytes().split(b"\0") if int(parent) == server_pid and state != "Z" else []
        except (OSError, ValueError):
            continue
        if len(arguments) > 1 and arguments[0].endswith(STUB):
            *_, model, version, _ = Path(arguments[1].decode()).parts
            found[int(entry.name)] = (model, int(version))
    return found


def instances(server_pid: int) -> Counter[Served]:
    """How many live processes each model's version has."""
    return Counter(stubs(server_pid).values())


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
