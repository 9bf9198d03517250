"""`make serve` as a process in a project folder, with the lines that it prints."""

import os
import queue
import signal
import subprocess
import threading
from pathlib import Path

import pytest
import yaml

from tests.serving.served_world import VENV, free_ports, session_of
from tests.stages.pipeline_world import CONF

READY_S = 30


class Running:
    """The command in a project folder, with the lines it prints."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        environment = {name: value for name, value in os.environ.items() if name != "ADCLICK_TRITON_SECRET"}
        self.process = subprocess.Popen(
            [VENV / "bin/python", "-m", "serving.server", *arguments],
            cwd=folder, env=environment | {"PYTHONPATH": str(CONF.parent), "TMPDIR": str(folder)}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        self.lines: list[str] = []
        self._queue: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=lambda: [self._queue.put(line) for line in self.process.stdout])
        self._reader.start()

    def wait_for_line(self, begin: str) -> str:
        """The next line that begins so."""
        while True:
            self.lines.append(self._queue.get(timeout=READY_S).rstrip())
            if self.lines[-1].startswith(begin):
                return self.lines[-1]

    def end(self) -> list[str]:
        """All lines, once the command has ended by itself."""
        self.process.wait(READY_S)
        self._reader.join()
        while not self._queue.empty():
            self.lines.append(self._queue.get().rstrip())
        return self.lines

    def triton(self) -> int:
        """Process id of its server."""
        (found,) = [pid for pid in children_of(self.process.pid) if b"tritonserver" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        return found

    def close(self) -> None:
        groups = [self.process.pid]
        if self.process.poll() is None:
            groups += children_of(self.process.pid)
        for group in groups:
            if session_of(group):
                os.killpg(group, signal.SIGKILL)
        self.end()


@pytest.fixture
def folder(tmp_path, exported):
    """A project folder as the pipeline leaves it."""
    (tmp_path / "artifacts").symlink_to(exported / "artifacts")
    (tmp_path / ".venv-serving").symlink_to(VENV)
    params = yaml.safe_load((exported / "params.yaml").read_text())
    ports = dict(zip(("http_port", "grpc_port", "metrics_port"), free_ports(3), strict=True))
    params["serving"]["server"] |= ports
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    return tmp_path


@pytest.fixture
def run(folder):
    """Starts the command; it is ended at the latest when the test ends."""
    started = []

    def running(*arguments: str) -> Running:
        started.append(Running(folder, *arguments))
        return started[-1]

    yield running
    for command in started:
        command.close()


def children_of(pid: int) -> list[int]:
    """Processes that the main thread of `pid` has started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
