"""`TritonServer`, real Triton as a context manager: it checks the ports, notices an early exit, has a deadline, and always stops
what it started. `make serve` (`command.py`), tests and load runs use it.
"""

import os
import re
import signal
import ssl
import subprocess
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from contracts.clock import CLOCK
from contracts.serving.config import ServerConfig
from contracts.serving.route import NAME
from serving.child_process import end_with_parent
from serving.releases.store import Store
from serving.server.admin import AdminApi
from serving.server.arguments import Paths, triton_arguments
from serving.server.loading import Busy, loading_alone
from serving.server.ports import listens, refuse_busy_ports
from serving.server.runtime import Runtime, find_runtime, refuse_shell_characters
from serving.server.secret import admin_secret
from serving.server.watch.watchdog import Watchdog
from serving.shared_memory import region_prefix, remove_regions, sweep_regions
from serving.triton.environment import METRICS_URL, ROUTE

VENV = Path(".venv-serving")
POLL_S = 0.05
WAIT_S = 10.0  # for a deployment that is under way
KILL_AFTER_S = 0.5  # beyond Triton's own time to finish
NO_GPU_METRICS = "--allow-gpu-metrics=false"  # this server's models use no GPU, and DCGM would log to /var/log/nv-hostengine.log
HARMLESS = "CudaDriverHelper"  # an error that Triton reports on every machine without a GPU
LOG_LINE = re.compile(r'^[EW]\d{4} [\d:.]+ \d+ [\w.]+:\d+\] "?(.*?)"?$')


class Cancelled(Exception):
    """Nobody waits for the server any more."""


class NotStarted(ValueError):
    """Triton itself, or a model in it, did not start."""


@dataclass
class TritonServer:
    """A running Triton on the models of a store. Raises ValueError on entry if it cannot start."""

    config: ServerConfig
    venv: Path = VENV
    log_path: Path = Path("models/triton.log")
    watch: bool = True  # bring back models whose process dies
    journal: dict[str, str] = field(default_factory=dict)  # what `kept_journal` tells of it
    routed: bool = False  # the store's route says who answers; if not, the active version does
    cancelled: threading.Event = field(default_factory=threading.Event)  # set while it starts: raises Cancelled on entry
    process: subprocess.Popen | None = field(default=None, init=False)

    def __enter__(self) -> "TritonServer":
        config = self.config
        refuse_busy_ports(config.host, {"http": config.http_port, "grpc": config.grpc_port, "metrics": config.metrics_port})
        refuse_bad_certificate(config)
        store = Store(Path(config.store))
        self.version = store.active()
        if self.version is None:
            raise ValueError(f"no model to serve: {config.store}/ holds no release; run `make repro` first")
        refuse_shell_characters(store.folder.resolve())
        runtime = find_runtime(self.venv)
        secret = admin_secret(Path(config.secret_file))
        self.admin = AdminApi(self.http_url, secret)
        sweep_regions()
        self._shared_memory = region_prefix(os.getpid(), config.http_port)
        self._folder = tempfile.TemporaryDirectory(prefix="adclick-triton-")
        try:
            paths = Paths(
                store=Path(config.store).resolve(),
                backends=runtime.backends.resolve(),
                caches=runtime.caches.resolve(),
                tls_cert=config.tls_cert and Path(config.tls_cert).resolve(),
                tls_key=config.tls_key and Path(config.tls_key).resolve(),
            )
            shared_memory = f"--backend-config=python,shm-region-prefix-name={self._shared_memory}"
            models = open_by_route(store) if self.routed else store.models(self.version)
            self.version = store.active()
            self._start(runtime, [*triton_arguments(config, paths, models, secret), shared_memory, NO_GPU_METRICS])
            self._wait_ready()
        except BaseException:
            self.stop()
            raise
        self._watchdog = Watchdog(self.process.pid, self.admin, store) if self.watch else None
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    @property
    def http_url(self) -> str:
        return f"http://{self.config.host}:{self.config.http_port}"

    @property
    def grpc_url(self) -> str:
        return f"{self.config.host}:{self.config.grpc_port}"

    @property
    def metrics_url(self) -> str:
        return f"http://{self.config.host}:{self.config.metrics_port}/metrics"

    def stop(self) -> None:
        """End the server: requests in flight are answered, then it is killed if it has not ended in time."""
        watchdog = getattr(self, "_watchdog", None)
        if watchdog is not None:
            watchdog.rest()
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(self.config.exit_timeout_s + KILL_AFTER_S)
        if self.process is not None:
            self._kill_group()
            self.process.wait()
        if watchdog is not None:
            watchdog.close()
        remove_regions(self._shared_memory)
        self._folder.cleanup()

    def _kill_group(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)  # its session: the server and the stubs it started

    def _start(self, runtime: Runtime, arguments: list[str]) -> None:
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        routing = route_variables(Path(self.config.store)) if self.routed else {}
        with suppress(FileNotFoundError):
            os.replace(self.log_path, f"{self.log_path}.1")
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [str(runtime.program), *arguments],
                cwd=self._folder.name,  # what lies in the working directory would be imported by the models
                env=runtime.environment | self.journal | routing | {METRICS_URL: self.metrics_url},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches us, and we end it in order
                preexec_fn=end_with_parent,
            )

    def _wait_ready(self) -> None:
        deadline = time.monotonic() + self.config.ready_timeout_s
        while not self._is_ready():
            if self.cancelled.is_set():
                raise Cancelled
            if self.process.poll() is not None:
                raise NotStarted(f"Triton ended while it started: {self._last_error()} (log: {self.log_path})")
            if time.monotonic() > deadline:
                raise NotStarted(
                    f"Triton was not ready within {self.config.ready_timeout_s:g} s (serving.server.ready_timeout_s): "
                    f"{self._last_error()} (log: {self.log_path})"
                )
            time.sleep(POLL_S)

    def _is_ready(self) -> bool:
        """Are all models and all doors there. Triton opens the one for metrics some 40 ms after it says that it is ready."""
        return self.admin.ready() and listens(self.config.host, self.config.metrics_port)

    def _last_error(self) -> str:
        lines = self.log_path.read_text(errors="replace").splitlines()
        errors = [match[1] for line in lines if line.startswith("E") and (match := LOG_LINE.match(line))]
        errors = [text for text in errors if not text.startswith(HARMLESS)]
        refused = [text for text in errors if text.startswith("failed to")]
        return (refused or errors or ["no reason given"])[0].split("\\n")[0]


def open_by_route(store: Store) -> list[str]:
    """The models to load so that the releases that the route names are open, with configs that say so. Raises ValueError."""
    with suppress(Busy), loading_alone(store, WAIT_S):
        pass  # a deployment that the server has died of puts back what was served before
    opened = store.opened()
    if opened is None:
        return []
    store.require(opened.champion)
    store.configure(opened)
    return store.models(*opened.arms)


def route_variables(store: Path) -> dict[str, str]:
    """What the server's environment says of the route, and of the clock that it ends by."""
    return {ROUTE: str(store.resolve() / NAME)} | {name: os.environ[name] for name in (CLOCK,) if name in os.environ}


def refuse_bad_certificate(config: ServerConfig) -> None:
    """Raise ValueError if gRPC could not speak TLS with the certificate; Triton would say that its port is in use."""
    if config.tls_cert is None:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(config.tls_cert, config.tls_key, password="")
    except OSError as error:
        reason = error.strerror or str(error)
        raise ValueError(
            f"serving.server.tls_cert {config.tls_cert} and tls_key {config.tls_key} cannot be used: {reason}"
        ) from None
