"""Real Triton on a small exported model, in a folder of the test's own: ports, settings, start and stop."""

import glob
import hashlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import yaml
from pydantic import TypeAdapter

from contracts.dataset.declaration import Declaration
from contracts.serving.config import ServerConfig, ServingConfig
from contracts.serving.request import RequestSpec, request_of
from serving.releases.store import Store
from serving.server.ports import free_ports
from serving.server.secret import admin_secret
from serving.server.server import TritonServer
from serving.server.stubs import stubs
from stages.exporting.repository import write_repository
from stages.files import read_json
from tests.stages.pipeline_world import CONF

VENV = CONF.parent / ".venv-serving"
REPOSITORY = Path("artifacts/repository/embedded")


def server_config(folder: Path, **changes: Any) -> ServerConfig:
    """The real settings with free ports, store and secret below `folder`, and little time to end in order."""
    ports = dict(zip(("http_port", "grpc_port", "metrics_port"), free_ports(3), strict=True))
    own = {"store": str(folder / "models"), "secret_file": str(folder / "secret"), "exit_timeout_s": 1}
    return replace(section("serving", CONF.parent / "conf/serving/default.yaml").server, **(ports | own | changes))


def section(name: str, path: Path) -> ServingConfig:
    values = yaml.safe_load(path.read_text())
    return TypeAdapter(ServingConfig).validate_python(values.get(name, values))


def exported_with(exported: Path, folder: Path, **changes: Any) -> Path:
    """The exported model as a repository with other settings of `serving.repository`."""
    config = replace(section("serving", exported / "params.yaml").repository, **changes)
    sample = pl.read_parquet(exported / "data/split/train.parquet", n_rows=1)
    before = os.getcwd()
    os.chdir(exported)  # the repository takes code along from there
    try:
        write_repository(folder, Path("artifacts/export"), declaration_of(exported), config, sample)
    finally:
        os.chdir(before)
    return folder


def declaration_of(exported: Path) -> Declaration:
    return TypeAdapter(Declaration).validate_python(read_json(exported / "artifacts/export/declaration.json"))


def request_spec(exported: Path) -> RequestSpec:
    """What a request to the exported model looks like."""
    return request_of(declaration_of(exported))


@contextmanager
def serving(
    folder: Path, repository: Path, watch: bool = True, journal: dict[str, str] | None = None, **changes: Any
) -> Iterator[TritonServer]:
    """Triton on the models of an exported repository, everything below `folder`. Nothing of it is left afterwards.

    `journal`: what `kept_journal` tells of one that is to be kept.
    """
    config = server_config(folder, **changes)
    store = Store(Path(config.store))
    store.activate(store.release(repository))
    with TritonServer(config, venv=VENV, log_path=folder / "triton.log", watch=watch, journal=journal or {}) as server:
        yield server
    assert_nothing_is_left(server)


def assert_nothing_is_left(server: TritonServer) -> None:
    assert server.process.poll() is not None
    wait_for(lambda: not session_of(server.process.pid), 2, "the stubs end")
    assert not glob.glob(f"/dev/shm/adclick-{os.getpid()}-{server.config.http_port}-*")


def wait_for(happened: Callable[[], Any], timeout_s: float, what: str) -> Any:
    """What `happened` says once that is true. Fails after `timeout_s` with `what` had been waited for."""
    deadline = time.monotonic() + timeout_s
    while not (found := happened()):
        assert time.monotonic() < deadline, f"waited {timeout_s:g} s in vain: {what}"
        time.sleep(0.02)
    return found


def session_of(leader: int) -> list[int]:
    """Live processes of the session that `leader` began."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            state, _, _, session = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(session) == leader and state != "Z":
            found.append(int(entry.name))
    return found


def secret_of(server: TritonServer) -> str:
    return admin_secret(Path(server.config.secret_file))


def spoil(version: Path) -> None:
    """A graph that is none, with the digest that it should have."""
    replace_file(version, "ctr_packed.onnx", b"no graph")


def replace_file(version: Path, name: str, content: bytes) -> None:
    """Other content for a file of a released or exported model, with the digest that it should have."""
    for changed in ("package.json", name):
        (version / changed).chmod(0o644)
    (version / name).write_bytes(content)
    manifest = json.loads((version / "package.json").read_text())
    manifest["files"][name] = hashlib.sha256(content).hexdigest()
    (version / "package.json").write_text(json.dumps(manifest))


def kill(server: TritonServer, model: str, number: int = 1) -> float:
    """Kill processes of a model; the moment it was done."""
    found = [pid for pid, (name, _) in stubs(server.process.pid).items() if name == model]
    for pid in found[:number]:
        os.kill(pid, signal.SIGKILL)
    return time.monotonic()
