"""perf_analyzer as a process: run to its end within a time, and what it said as one sentence where it failed."""

import math
import os
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

POLL_S = 0.05
SAY_WHY_S = 2.0  # after a request failed: perf_analyzer then says why and ends, or waits for ever
ANSWER_FAILED = "Failed to retrieve results from inference request"
REFUSED = ("overloaded: ",)
ERROR = re.compile(r"^(?:Thread \[\d+\] had error: )?(?:\[request id: \d+\] )?(?P<text>\S.*)$")


class RequestFailed(ValueError):
    """A request was not answered, at which perf_analyzer ends, or waits for ever."""


class NeverBegan(RequestFailed):
    """It sent nothing: its main thread can wake a worker a moment before that sleeps, and then both wait for ever."""


class QueueFull(RequestFailed):
    """The server's bounded queue refused a request."""


def finish(
    command: list[str],
    output_path: Path,
    environment: dict[str, str],
    timeout_s: float,
    *,
    begin_s: float = math.inf,
    began: Callable[[], bool] = lambda: True,
) -> tuple[float, float]:
    """Run the command to its end; seconds of processor and of clock. Its output goes to `output_path`.

    Raises NeverBegan if after `begin_s` it has not `began`, QueueFull, RequestFailed also where it took longer than
    `timeout_s`, and ValueError where something else went wrong.
    """
    started = time.perf_counter()
    with output_path.open("wb") as output:
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    deadline, begin, failed = started + timeout_s, started + begin_s, False
    try:
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)  # alone tells what this one child used
            if pid:
                process.returncode = os.waitstatus_to_exitcode(status)
                break
            if time.perf_counter() > begin:
                if not began():
                    raise NeverBegan(f"perf_analyzer sent nothing within {begin_s:.0f} s and was killed: {reason(output_path)}")
                begin = math.inf
            if time.perf_counter() > deadline:
                break
            if not failed and ANSWER_FAILED in output_path.read_text(errors="replace"):
                failed, deadline = True, min(deadline, time.perf_counter() + SAY_WHY_S)
            time.sleep(POLL_S)
    finally:
        if process.returncode is None:
            process.kill()
            process.wait()
            process.returncode = None
    if process.returncode != 0:
        raise failure(output_path, process.returncode, timeout_s)
    return usage.ru_utime + usage.ru_stime, time.perf_counter() - started


def failure(output_path: Path, code: int | None, timeout_s: float) -> ValueError:
    """What went wrong, by what perf_analyzer said; `code` is None if it was killed."""
    text = reason(output_path)
    if any(refusal in text for refusal in REFUSED):
        return QueueFull(f"the server refused a request: {text}")
    if ANSWER_FAILED in output_path.read_text(errors="replace"):
        return RequestFailed(f"a request was not answered, and perf_analyzer ended: {text}")
    if code is None:
        return RequestFailed(f"perf_analyzer did not end within {timeout_s:.0f} s and was killed: {text}")
    return ValueError(f"perf_analyzer ended with code {code}: {text}")


def reason(output_path: Path) -> str:
    """The line of its output that says what went wrong, without threads and numbers of requests."""
    lines = [line.strip() for line in output_path.read_text(errors="replace").splitlines() if line.strip()]
    threads = [line for line in lines if "had error: " in line]
    errors = [line for line in lines if re.search(r"error|fail|not |no valid|unable|cannot|expecting", line, re.I)]
    found = ERROR.match((threads or errors or lines[-1:] or ["it said nothing"])[0])
    return found["text"] if found else "it said nothing"
