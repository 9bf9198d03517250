"""A model on a server of its own, on free ports, started in a given folder; nothing of it is left afterwards."""

import hashlib
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from contracts.serving.config import ServerConfig
from lifecycle.gate.models import GatedModel
from loadtests.limits.soak import resident_mib
from loadtests.observation.facts import triton_version
from loadtests.requests.bodies import MODEL
from serving.client.errors import DeadlineExceeded, ServerFailed, ServerUnavailable
from serving.client.protocols import Address
from serving.server.runtime import BACKEND, find_runtime
from serving.server.server import VENV, TritonServer
from serving.server.settings import changed
from serving.server.stubs import stubs
from serving.server.trial import trial_store

READY, LOGGED_ERROR = "Started GRPCInferenceService", re.compile(r"E\d{4} ")  # of Triton's log
CPU_CLOCK = 2  # CPUCLOCK_SCHED of the kernel
FAILURES = (ValueError, DeadlineExceeded, ServerFailed, ServerUnavailable)  # of asking a server
LOCAL = {"exit_timeout_s": 1, "tls_cert": None, "tls_key": None}  # nothing is under way when it ends; nobody else can listen


class DidNotLoad(ValueError):
    """The server does not take the model."""

    def __init__(self, model: GatedModel, reason: str) -> None:
        super().__init__(f"the {model.name} does not load on this server: {reason}")


@dataclass(frozen=True, kw_only=True)
class Served:
    """A model that is being served."""

    model: GatedModel
    server: TritonServer
    load_s: float  # from start to ready
    loaded_mib: float  # resident then
    pids: tuple[int, ...]  # of the server and of its models' processes

    @property
    def http_port(self) -> int:
        return self.server.config.http_port

    def address(self, protocol: str, model: str = MODEL) -> Address:
        config = self.server.config
        port = config.grpc_port if protocol == "grpc" else config.http_port
        return Address(host_port=f"{config.host}:{port}", model=model)

    def resident_mib(self) -> float:
        """Of all its processes together, now. Pages that they share count once for each."""
        return sum(resident_mib(self.pids[0]).values())

    def cpu_s(self) -> float:
        """Seconds of processor of all its processes so far, by the clock of each (clock_getcpuclockid), in nanoseconds."""
        try:
            return sum(time.clock_gettime((~pid << 3) | CPU_CLOCK) for pid in self.pids)
        except OSError:
            raise ValueError(f"a process of the {self.model.name}'s server ended by itself; run `make gate` again") from None


@contextmanager
def served(model: GatedModel, config: ServerConfig, folder: Path) -> Iterator[Served]:
    """The model on a server that logs into `folder`. Raises DidNotLoad, and ValueError if there is no server."""
    find_runtime(VENV)  # what is wrong with the server is not the model's fault
    with trial_store(model.repository, changed(config, **LOCAL)) as trial:
        server, started = TritonServer(trial, log_path=folder / f"{model.name}.log"), time.perf_counter()
        try:
            server.__enter__()
        except ValueError as error:
            raise DidNotLoad(model, str(error)) from None
        try:
            load_s = time.perf_counter() - started
            assert server.process is not None
            pid = server.process.pid
            loaded_mib = sum(resident_mib(pid).values())
            yield Served(model=model, server=server, load_s=load_s, loaded_mib=loaded_mib, pids=(pid, *stubs(pid)))
        finally:
            server.stop()


def logged_error(folder: Path, model: str) -> str:
    """A clause with the last error that the model's server has logged since it was ready; empty if it has logged none."""
    path = folder / f"{model}.log"
    _, _, since = path.read_text(errors="replace").rpartition(READY) if path.is_file() else ("", "", "")
    lines = [line for line in since.splitlines() if LOGGED_ERROR.match(line)]
    return f"; {path} says: {lines[-1]}" if lines else ""


def server_facts(one: Served) -> dict[str, str]:
    """Which server it was: Triton's version, and the digests of its program and of our own backend."""
    return {"triton": triton_version(one.server.http_url), **server_digests()}


def server_digests() -> dict[str, str]:
    """Sha-256 of what is installed: Triton's program, and our own backend. Raises ValueError if it cannot be run."""
    runtime = find_runtime(VENV)
    files = {"program": runtime.program, "backend": runtime.backends / BACKEND}
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}
