"""The real load command on the small exported model, in a folder of the test's own."""

import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import yaml

from serving.server.ports import free_ports
from tests.stages.pipeline_world import CONF

ROOT = CONF.parent
PYTHON = ROOT / ".venv-load/bin/python"
WITHIN_S = 90


@dataclass(frozen=True)
class Ended:
    code: int
    said: str  # on stdout and stderr


def load_project(exported: Path, folder: Path) -> Path:
    """A project folder that has the small model, the serving environment and free ports."""
    for name in ("artifacts", "data", "contracts", "serving", "stages"):
        (folder / name).symlink_to(exported / name)
    (folder / ".venv-serving").symlink_to(ROOT / ".venv-serving")
    params = yaml.safe_load((exported / "params.yaml").read_text())
    ports = zip(("http_port", "grpc_port", "metrics_port"), free_ports(3), strict=True)
    params["serving"]["server"] |= {**dict(ports), "exit_timeout_s": 1}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    return folder


def keep_journal(world: Path) -> None:
    """Have the project's server keep a journal, in its folder `users`."""
    params = yaml.safe_load((world / "params.yaml").read_text())
    params["serving"]["journal"] |= {"enabled": True, "folder": str(world / "users")}
    (world / "params.yaml").write_text(yaml.safe_dump(params))


def load(folder: Path, *arguments: str, program: tuple[str, ...] = ("-m", "loadtests.run")) -> Ended:
    """The load command, to its end."""
    process = begin(folder, *arguments, program=program)
    said, _ = process.communicate(timeout=WITHIN_S)
    return Ended(process.returncode, said)


def begin(folder: Path, *arguments: str, program: tuple[str, ...] = ("-m", "loadtests.run")) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [str(PYTHON), *program, *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # a shell's background job ignores it
    )


def left_over(folder: Path) -> list[str]:
    """Command lines of processes that still run in the project's folder, and what they left in shared memory."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            at_home = Path(os.readlink(entry / "cwd")) == folder
            arguments = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if at_home and arguments:
            found.append(arguments)
    return found
