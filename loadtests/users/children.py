"""Processes that a load run starts and always ends: in a session of their own, so that Ctrl-C reaches us and we end them in
order, and told to end by the kernel if we are killed.
"""

import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from serving.child_process import end_with_parent

ROOT = Path(__file__).resolve().parents[2]
KILLED_WAIT_S = 5.0


def start(command: list[str], log: Path, environment: Mapping[str, str] | None = None) -> subprocess.Popen:
    """The command, running, with all it says in `log`."""
    with log.open("wb") as file:
        return subprocess.Popen(
            command,
            env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=end_with_parent,
        )


def end(processes: list[subprocess.Popen], within_s: float) -> None:
    """Ask the processes to end, and kill those that have not after a while, with all that they have started."""
    for process in processes:
        if process.poll() is None:
            process.terminate()
    for process in processes:
        with suppress(subprocess.TimeoutExpired):
            process.wait(within_s)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):
            process.wait(KILLED_WAIT_S)


def last_words(log: Path) -> str:
    """The last line that a process has written."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"
