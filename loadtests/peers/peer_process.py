"""A peer's server as a process group of its own: started, waited for, weighed, and always ended."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import psutil

from serving.child_process import end_with_parent

READY_TIMEOUT_S, SETTLE_TIMEOUT_S, STOP_TIMEOUT_S = 90.0, 20.0, 10.0
POLL_S = 0.1
STARTING_CORES, WINDOW_S = 0.5, 1.0  # a worker that still starts takes a whole core; LitServe's queues never quite rest


@dataclass
class PeerProcess:
    """A running command. Raises ValueError on entry if `ready` does not become true in time."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    cwd: Path  # what the server writes beside itself, as its log, comes here
    ready: Callable[[], bool]
    process: subprocess.Popen | None = field(default=None, init=False)

    @property
    def log_path(self) -> Path:
        return self.cwd / f"{self.name}.log"

    @property
    def pid(self) -> int:
        return self.process.pid

    def __enter__(self) -> "PeerProcess":
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=self.cwd,
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches us, and we end it in order
                preexec_fn=end_with_parent,
            )
        try:
            self._wait_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        """End it in order, then whatever is left of its session."""
        left = process_tree(self.process.pid)
        if self.process.poll() is None:
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_TIMEOUT_S)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        for process in left:  # also those that began a session of their own
            with suppress(psutil.Error):
                process.kill()
        self.process.wait()

    def _wait_ready(self) -> None:
        deadline = time.monotonic() + READY_TIMEOUT_S
        while not self.ready():
            if self.process.poll() is not None:
                raise ValueError(f"{self.name} ended with {self.process.returncode} while it started: {self.last_words()}")
            if time.monotonic() > deadline:
                raise ValueError(f"{self.name} did not answer within {READY_TIMEOUT_S:g} s: {self.last_words()}")
            time.sleep(POLL_S)

    def last_words(self) -> str:
        lines = [line for line in self.log_path.read_text(errors="replace").splitlines() if line.strip()]
        return lines[-1][-300:] if lines else "it printed nothing"


def process_tree(pid: int) -> list[psutil.Process]:
    """The process and all below it, as far as they live."""
    try:
        top = psutil.Process(pid)
        return [top, *top.children(recursive=True)]
    except psutil.Error:
        return []


def cpu_seconds(pid: int) -> float:
    """User and system time that the living processes of the tree have taken, and those that they have waited for."""
    total = 0.0
    for process in process_tree(pid):
        with suppress(psutil.Error):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def wait_settled(name: str, pid: int) -> float:
    """Return once all workers have started: the cores that the server takes when nobody asks it anything.

    Raises ValueError if it never settles.
    """
    deadline = time.monotonic() + SETTLE_TIMEOUT_S
    while True:
        before, started = cpu_seconds(pid), time.monotonic()
        time.sleep(WINDOW_S)
        cores = (cpu_seconds(pid) - before) / (time.monotonic() - started)
        if cores <= STARTING_CORES:
            return cores
        if time.monotonic() > deadline:
            raise ValueError(f"{name} takes {cores:.2f} cores although nobody asks it anything; it cannot be compared")
