"""The server that is put under load: the one that runs at the configured address, or one that is started and ended here."""

import glob
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

from contracts.serving.config import ServerConfig
from loadtests.settings import LoadConfig
from loadtests.users import children
from serving.client import CtrClient, DeadlineExceeded, ServerFailed, ServerUnavailable
from serving.client.protocols import Address
from serving.client.served_model import ServedModel
from serving.server.admin import AdminApi
from serving.server.ports import listens
from serving.server.settings import load_journal_config, load_server_config

SERVING_PYTHON = Path(".venv-serving/bin/python")
POLL_S = 0.1
ANSWER_S = 10.0  # that a server which listens has to describe its model
SPARE_S = 15.0  # for what `serving.server` does before and after its Triton
MODEL = "ctr"


@dataclass(frozen=True, kw_only=True)
class ServerUnderLoad:
    """A server that is ready."""

    config: ServerConfig
    model: ServedModel
    started: bool  # by us

    @property
    def grpc(self) -> Address:
        return Address(host_port=f"{self.config.host}:{self.config.grpc_port}", model=MODEL)

    @property
    def http(self) -> str:
        return f"{self.config.host}:{self.config.http_port}"

    @property
    def metrics_url(self) -> str:
        return f"http://{self.config.host}:{self.config.metrics_port}/metrics"


def server_config(config: LoadConfig) -> ServerConfig:
    """Where the server is: as params.yaml says, and the load's settings override."""
    names = ("host", "http_port", "grpc_port", "metrics_port")
    return load_server_config(**{name: getattr(config, name) for name in names})


@contextmanager
def target(config: ServerConfig, digest: str, log: Path) -> Iterator[ServerUnderLoad]:
    """The server at the address of `config`, started if nothing listens there. Raises ValueError with one sentence.

    `digest`: of the declaration that requests follow. `log`: of the server, if it is started here.
    """
    if runs(config):
        yield ServerUnderLoad(config=config, model=served_model(config, digest), started=False)
        return
    if not SERVING_PYTHON.is_file():
        raise ValueError(
            f"no server listens on {config.host}:{config.http_port}, and {SERVING_PYTHON} is missing to start one; "
            "`make serve` installs it"
        )
    arguments = [f"--host={config.host}", *(f"--{name}-port={getattr(config, f'{name}_port')}" for name in DOORS)]
    journal = log.parent / "journal"  # what a load was answered is not to stand among what users were
    if (kept := load_journal_config()) is not None and kept.enabled:
        arguments.append(f"--journal={journal}")
    process = children.start([str(SERVING_PYTHON), "-m", "serving.server", *arguments], log)
    try:
        wait_ready(process, config, log)
        yield ServerUnderLoad(config=config, model=served_model(config, digest), started=True)
    finally:
        children.end([process], config.exit_timeout_s + SPARE_S)
        shutil.rmtree(journal, ignore_errors=True)
        for path in glob.glob(f"/dev/shm/adclick-{process.pid}-*"):  # if it had to be killed
            with suppress(FileNotFoundError):
                Path(path).unlink()


DOORS = ("http", "grpc", "metrics")


def runs(config: ServerConfig) -> bool:
    """Does anything take connections at the server's address. Raises ValueError if that cannot be known."""
    try:
        return listens(config.host, config.http_port)
    except OSError as error:
        reason = error.strerror or error
        raise ValueError(f"{config.host}:{config.http_port} cannot be reached: {reason}; correct host and http_port") from None


def wait_ready(process: Popen, config: ServerConfig, log: Path) -> None:
    """Raises ValueError with the server's own words if it ends, or is not ready in time."""
    admin = AdminApi(f"http://{config.host}:{config.http_port}", timeout_s=ANSWER_S)
    deadline = time.monotonic() + config.ready_timeout_s + SPARE_S
    while not (admin.ready() and listens(config.host, config.metrics_port)):  # Triton opens that port last
        if process.poll() is not None:
            raise ValueError(children.last_words(log).removeprefix("serve: error: "))
        if time.monotonic() > deadline:
            raise ValueError(f"the server that was started is not ready in time: {children.last_words(log)} (log: {log})")
        time.sleep(POLL_S)


def served_model(config: ServerConfig, digest: str) -> ServedModel:
    """What the server says of its model, at both doors. Raises ValueError if it is not the one that requests follow."""
    found = None
    for protocol, port in (("http", config.http_port), ("grpc", config.grpc_port)):
        address = f"{config.host}:{port}"
        try:
            with CtrClient(address, protocol, deadline_s=ANSWER_S, timeout_s=ANSWER_S) as client:
                found = client.served()
        except (ServerFailed, ServerUnavailable, DeadlineExceeded) as error:
            raise ValueError(
                f"what listens on {address} is not the model '{MODEL}' over {protocol}: {error}; stop it, or give other ports "
                f"(http_port=, grpc_port=, metrics_port=)"
            ) from None
    if found.request.digest != digest:
        raise ValueError(
            f"the server on {config.host}:{config.http_port} takes requests of another declaration ({found.request.digest[:12]}) "
            f"than artifacts/export/declaration.json ({digest[:12]}); run `make deploy`, or serve the newest export untested: "
            'make serve ARGS="--exported artifacts/repository/embedded"'
        )
    return found
