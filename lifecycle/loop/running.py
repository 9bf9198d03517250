"""One run of a job: its command in a session of its own, what it printed in a file, ended if it takes too long."""

import os
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from contracts.clock import clock
from lifecycle.loop.jobs import LoopJob
from lifecycle.sessions import end_session, note

LOG, RUNNING = "{}.log", "{}.running.json"
POLL_S = 0.1
SHOWN = 200  # characters of a line


@dataclass(frozen=True, kw_only=True)
class JobRun:
    """How a run ended."""

    job: str
    at_ns: int  # when it began, of the clock
    seconds: float  # of the machine
    said: str  # its last line
    failure: str | None = None  # why it failed
    stopped: bool = False  # it was ended with us: no failure


def run_job(job: LoopJob, folder: Path, timeout_s: float, stopped: threading.Event) -> JobRun:
    """Run it to its end, to `timeout_s`, or until `stopped` is set. It raises nothing: a failure is part of what comes back."""
    at_ns, began, log = clock().now_ns(), time.monotonic(), folder / LOG.format(job.name)
    code: int | None = None
    failure = None
    try:
        code = _code(job, folder, log, began + timeout_s, stopped)
    except OSError as error:
        failure = f"{job.command[0]} cannot be started: {error.strerror or error}"
    said = last_line(log)
    if failure is None and code is None and not stopped.is_set():
        failure = f"it did not end within {timeout_s:g} s (lifecycle.loop.timeout_s) and was ended"
    if failure is None and code:
        failure = said or f"it ended with {code}"
    is_stopped = failure is None and code is None
    return JobRun(job=job.name, at_ns=at_ns, seconds=time.monotonic() - began, said=said, failure=failure, stopped=is_stopped)


def _code(job: LoopJob, folder: Path, log: Path, deadline: float, stopped: threading.Event) -> int | None:
    """Its exit code; None if it had to be ended."""
    noted = folder / RUNNING.format(job.name)
    with log.open("wb") as out:
        process = subprocess.Popen(
            job.command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True, env=environment()
        )
    try:
        note(noted, process.pid)
        while process.poll() is None and time.monotonic() < deadline and not stopped.is_set():
            with suppress(subprocess.TimeoutExpired):
                process.wait(POLL_S)
        return process.returncode
    finally:
        if process.poll() is None:
            end_session(process.pid)
            process.wait()
        noted.unlink(missing_ok=True)


def environment() -> dict[str, str]:
    """Ours; lines come as they are printed, so that the last one is there when a run is ended."""
    return {**os.environ, "PYTHONUNBUFFERED": "1"}


def last_line(log: Path) -> str:
    """Of what was printed; empty if nothing was."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return ""
    found = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return found if len(found) <= SHOWN else f"{found[: SHOWN - 3]}..."
