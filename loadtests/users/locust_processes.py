"""The Locust processes of a run: one that sends by itself, or a master that leads several."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen

from loadtests.users import children
from loadtests.users.prepared_run import PreparedRun
from loadtests.verdicts.samples import ROW, whole_rows
from serving.server.ports import free_ports

LOCUSTFILE = children.ROOT / "loadtests/locustfile.py"
WITHIN_S = 2.0  # to end in order when a run is stopped; what was measured is in files by then
POLL_S = 0.1
PRINTED_EVERY_S = 5.0


@dataclass(kw_only=True)
class LocustProcesses:
    """Running Locust processes, and how much of what they have recorded was read."""

    folder: Path
    processes: dict[str, Popen]  # by name
    read: dict[Path, int] = field(default_factory=dict)  # bytes

    def pids(self) -> list[int]:
        return [process.pid for process in self.processes.values()]

    def running(self) -> bool:
        """Raises ValueError if a process ended that should not have."""
        codes = {name: process.poll() for name, process in self.processes.items()}
        for name, code in codes.items():
            if code is not None and code < 0:
                raise ValueError(f"load process {name} was killed by signal {-code} before the run was over")
            if code:
                words = children.last_words(self.folder / f"{name}.log")
                raise ValueError(f"load process {name} ended by itself with code {code}: {words}")
        return any(code is None for code in codes.values())

    def news(self) -> "News":
        """What was recorded since the last call."""
        requests = rows = bad = 0
        for path in self.folder.glob("samples-*.part"):
            start = self.read.get(path, 0)
            if path.stat().st_size < start:  # begun anew
                start = 0
            with path.open("rb") as file:
                file.seek(start)
                samples = whole_rows(file.read())
            self.read[path] = start + len(samples) * ROW.size
            good = samples["outcome"] == 0
            requests, rows = requests + len(samples), rows + int(samples["rows"][good].sum())
            bad += int((~good & (samples["outcome"] != 2)).sum())
        return News(requests=requests, rows=rows, bad=bad)


@dataclass(frozen=True)
class News:
    requests: int
    rows: int  # answered rightly
    bad: int  # neither that, nor refused as they should be


@contextmanager
def locust_processes(run: PreparedRun, web_port: int | None = None) -> Iterator[LocustProcesses]:
    """The processes that send, started; all are ended afterwards. `web_port`: of Locust's page, which then starts the load."""
    number, found = run.config.processes, LocustProcesses(folder=run.folder, processes={})
    leader = ["--headless"] if web_port is None else ["--web-host=127.0.0.1", f"--web-port={web_port}"]
    port = free_ports(1)[0]
    try:
        if number == 1:
            found.processes["locust-0"] = _start(run, "locust-0", leader, index=0)
        else:
            master = [*leader, "--master", "--master-bind-host=127.0.0.1", f"--master-bind-port={port}"]
            expected = [f"--expect-workers={number}", "--expect-workers-max-wait=60"] if web_port is None else []
            found.processes["locust-master"] = _start(run, "locust-master", [*master, *expected], index=None)
            for index in range(number):
                worker = ["--worker", "--master-host=127.0.0.1", f"--master-port={port}"]
                found.processes[f"locust-{index}"] = _start(run, f"locust-{index}", worker, index=index)
        yield found
    finally:
        children.end([*found.processes.values()], WITHIN_S)


def _start(run: PreparedRun, name: str, arguments: list[str], index: int | None) -> Popen:
    environment = {"ADCLICK_LOAD_RUN": str(run.folder.resolve())}
    if index is not None:
        environment["ADCLICK_LOAD_INDEX"] = str(index)
    if run.config.open_loop:
        environment["GEVENT_BACKEND"] = "select"  # epoll wakes up to a millisecond late, and requests are due in between
    command = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--only-summary", "--exit-code-on-error=0", *arguments]
    return children.start(command, run.folder / f"{name}.log", environment)


def watch(run: PreparedRun, sending: LocustProcesses) -> None:
    """Wait until the run is over and say how it goes. Raises ValueError if a process ends that should not, or none does."""
    began_s = printed_s = time.monotonic()
    total_s = run.config.warmup_s + run.config.total_s
    deadline_s = began_s + total_s + run.config.timeout_s + SPARE_S
    while sending.running():
        time.sleep(POLL_S)
        now_s = time.monotonic()
        if now_s > deadline_s:
            raise ValueError(f"the load did not end within {deadline_s - began_s:.0f} s; logs: {os.path.relpath(run.folder)}")
        if now_s - printed_s >= PRINTED_EVERY_S:
            news, passed_s = sending.news(), now_s - printed_s
            print(
                f"load: {now_s - began_s:3.0f} s of {total_s:.0f}: {news.requests / passed_s:,.0f} requests/s, "
                f"{news.rows / passed_s:,.0f} rows/s answered, {news.bad:,} not as they should be",
                flush=True,
            )
            printed_s = now_s


SPARE_S = 30.0  # beyond the time that a run should take, for processes that begin and end
