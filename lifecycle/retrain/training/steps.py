"""The commands of a training, one after the other, with what they cost: of all processes, also of those that were killed."""

import ctypes
import os
import resource
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lifecycle.retrain.training.order import LOG, own, write_spent
from lifecycle.sessions import members, stat_of

PYTHON, DVC = ".venv/bin/python", ".venv/bin/dvc"
POLL_S, NOTE_S, END_S = 0.2, 5.0, 10.0
SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of prctl(2): who loses its parent becomes our child, so that its time is known
SAID = 300  # characters of what a command printed last


class StepFailed(ValueError):
    """A command failed; the text says which, and what it printed last."""


class TookTooLong(Exception):
    """The training's time was over."""


class WasStopped(Exception):
    """The training was told to end."""


@dataclass(frozen=True, kw_only=True)
class TrainingSteps:
    folder: Path
    began: float  # of time.monotonic()
    longest_s: float
    stopped: threading.Event

    def run(self, overrides: Sequence[str]) -> None:
        """Settle the settings, then run the pipeline. Raises StepFailed, TookTooLong or WasStopped; nothing runs then."""
        ctypes.CDLL(None, use_errno=True).prctl(SUBREAPER, 1, 0, 0, 0)
        self._step(PYTHON, "-m", "stages.settle", str(self.folder), *overrides)
        self._step(DVC, "repro")

    def core_s(self) -> float:
        """Processor seconds of us and all that we have started and waited for."""
        own_use, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
        return own_use.ru_utime + own_use.ru_stime + children.ru_utime + children.ru_stime

    def _step(self, *command: str) -> None:
        log = own(self.folder, LOG)
        with log.open("ab") as out:
            out.write(f"$ {' '.join(command)}\n".encode())
            out.flush()
            process = subprocess.Popen(
                command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, env=self._environment()
            )
        noted = 0.0
        try:
            while process.poll() is None:
                if self.stopped.is_set():
                    raise WasStopped
                if time.monotonic() - self.began > self.longest_s:
                    raise TookTooLong
                if time.monotonic() - noted >= NOTE_S:
                    noted = time.monotonic()
                    write_spent(self.folder, self._so_far(), noted - self.began)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(POLL_S)
        finally:
            _end_all()
        if process.returncode:
            raise StepFailed(
                f"`{' '.join((Path(command[0]).name, *command[1:3]))}` ended with {process.returncode}: {_last(log)}"
            )

    def _so_far(self) -> float:
        """Of those that run still, as well."""
        running = [pid for pid in members(os.getsid(0)) if pid != os.getpid()]
        ticks = sum(sum(map(int, fields[11:15])) for pid in running if (fields := stat_of(pid)) is not None)
        return self.core_s() + ticks / os.sysconf("SC_CLK_TCK")

    def _environment(self) -> dict[str, str]:
        """The pipeline's own programs come first; what DVC knows of the folder goes with it."""
        searched = f"{self.folder / '.venv/bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        own_cache = {"DVC_SITE_CACHE_DIR": str(self.folder / ".dvc/tmp/site")}
        kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
        return {**kept, **own_cache, "PATH": searched, "PYTHONUNBUFFERED": "1"}


def _end_all() -> None:
    """Kill whatever of our session has not ended, and wait for it: then its time is counted."""
    deadline = time.monotonic() + END_S
    while time.monotonic() < deadline:
        for pid in members(os.getsid(0)):
            if pid != os.getpid():
                with suppress(ProcessLookupError):
                    os.kill(pid, 9)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(POLL_S / 4)


def _last(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if ": error:" in line or line.startswith("ERROR")]
    return (errors or lines or [""])[-1][-SAID:]
