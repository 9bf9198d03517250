"""How the jobs stand: a file for whoever comes after us, a line for a terminal."""

import json
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from contracts.clock import clock
from contracts.files import write_whole
from lifecycle.loop.running import JobRun

STATUS = "status.json"
WIDTH = 48  # characters of what a job said, in the line


@dataclass(frozen=True, kw_only=True)
class JobStatus:
    """`failures`: runs that failed since the last one that did not."""

    last: JobRun | None = None
    failures: int = 0
    is_running: bool = False


@dataclass
class LoopStatus:
    """Of all jobs. Threads that run them write to it."""

    folder: Path
    jobs: dict[str, JobStatus] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def begins(self, job: str) -> None:
        with self.lock:
            self.jobs[job] = replace(self.jobs.get(job, JobStatus()), is_running=True)

    def ended(self, run: JobRun) -> JobStatus:
        """The job's status, which is on the disk."""
        with self.lock:
            before = self.jobs.get(run.job, JobStatus())
            failures = 0 if run.failure is None else before.failures + 1
            now = JobStatus(last=before.last if run.stopped else run, failures=before.failures if run.stopped else failures)
            self.jobs[run.job] = now
            write_whole(self.folder / STATUS, json.dumps({name: asdict(one) for name, one in self.jobs.items()}).encode())
        return now

    def line(self, names: Sequence[str]) -> str:
        """When it is, and what each job said last."""
        with self.lock:
            return f"{clock().now():%Y-%m-%d %H:%M}  " + " | ".join(_part(name, self.jobs.get(name)) for name in names)


def read_status(folder: Path) -> dict[str, JobStatus]:
    """As it was written last; empty if it cannot be read. Nothing runs in it."""
    try:
        return {str(name): _status(one) for name, one in json.loads((folder / STATUS).read_bytes()).items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _status(values: Mapping[str, object]) -> JobStatus:
    last = values["last"]
    return JobStatus(last=JobRun(**last) if isinstance(last, dict) else None, failures=int(str(values["failures"])))


def _part(name: str, status: JobStatus | None) -> str:
    if status is None or (status.last is None and not status.is_running):
        return f"{name} -"
    if status.last is None:
        return f"{name} ..."
    words = status.last.failure or status.last.said.removeprefix(f"{name}: ").removeprefix("retrain: ")
    told = f"FAILED {status.failures}x: {words}" if status.failures else words or "ok"
    shown = told if len(told) <= WIDTH else f"{told[: WIDTH - 3]}..."
    return f"{name}{' ...' if status.is_running and sys.stdout.isatty() else ''} {shown}"


def show_line(line: str, shown: str) -> str:
    """Print the line unless it is the one that is shown, over it on a terminal; returns what is shown now."""
    if line == shown:
        return shown
    if sys.stdout.isatty():
        print(f"\r\x1b[K{line}", end="", flush=True)
    elif line.partition("  ")[2] != shown.partition("  ")[2]:  # in a log, only what is new beside the time
        print(line, flush=True)
    return line
