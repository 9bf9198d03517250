"""Processes that were started in a session of their own: ended as a whole, weighed, found again by whoever comes after us."""

import json
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from contracts.files import write_whole

GRACE_S, POLL_S = 10.0, 0.05


def end_session(pid: int, grace_s: float = GRACE_S) -> None:
    """Ask the processes of the session that `pid` began to end, and kill those that are still there after `grace_s`."""
    for number, wait_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, GRACE_S)):
        deadline = time.monotonic() + wait_s
        for member in members(pid):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(member, number)
        while members(pid) and time.monotonic() < deadline:
            time.sleep(POLL_S)


def members(session: int) -> list[int]:
    """Processes of a session that have not ended."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        fields = stat_of(int(folder.name))
        if fields is not None and fields[3] == str(session) and fields[0] != "Z":
            found.append(int(folder.name))
    return found


def stat_of(pid: int) -> list[str] | None:
    """What stands in /proc/<pid>/stat behind the name: state, parent, group, session, ...; None if there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def started_ticks(pid: int) -> int | None:
    """When the process was started, since the machine was: with its number it is told from all others."""
    fields = stat_of(pid)
    return None if fields is None else int(fields[19])


def note(path: Path, pid: int) -> None:
    """Write down that the process runs, for whoever comes after us."""
    write_whole(path, json.dumps({"pid": pid, "ticks": started_ticks(pid), "boot": boot()}).encode())


def end_noted(path: Path) -> bool:
    """End the session of the process that was noted, if it runs still; whether it did."""
    try:
        noted = json.loads(path.read_bytes())
        pid, ticks, booted = int(noted["pid"]), noted["ticks"], noted["boot"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    path.unlink(missing_ok=True)
    now = started_ticks(pid)
    if booted != boot() or (now is not None and now != ticks) or not members(pid):
        return False  # another process has the number, or none has; while a session has members, its number is not given anew
    end_session(pid)
    return True


def boot() -> str:
    """Which start of the machine this is: numbers of processes begin anew with each."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def core_seconds(session: int) -> float:
    """Processor time that its processes have taken so far, with that of their children that have ended."""
    ticks = 0
    for member in members(session):
        fields = stat_of(member)
        ticks += 0 if fields is None else sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")
