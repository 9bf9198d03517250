"""Tries a release in a Triton of its own before the running server gets to see it: its files, its loading, its warm-up."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from contracts.serving.config import ServerConfig
from serving.releases.store import Store
from serving.server.ports import free_ports
from serving.server.server import VENV, TritonServer
from serving.server.settings import changed


@contextmanager
def trial_server(
    exported: Path, config: ServerConfig, venv: Path = VENV, journal: dict[str, str] | None = None
) -> Iterator[TritonServer]:
    """The exported repository on free ports of this machine, from a store that is removed afterwards.

    `journal` is what `kept_journal` tells of one; None: a trial's answers are nobody's, and go to none. Raises ValueError if the
    repository does not load.
    """
    log = Path(config.store) / "trial.log"
    with trial_store(exported, config) as trial, TritonServer(trial, venv=venv, log_path=log, journal=journal or {}) as server:
        yield server


@contextmanager
def trial_store(exported: Path, config: ServerConfig) -> Iterator[ServerConfig]:
    """`config` with a store of its own, in which the exported repository is released, and free ports."""
    with tempfile.TemporaryDirectory(prefix="adclick-trial-") as name:
        trial = apart(config, Path(name))
        store = Store(Path(trial.store))
        store.activate(store.release(exported))
        yield trial


def apart(config: ServerConfig, folder: Path) -> ServerConfig:
    """`config` of a server of its own: free ports of this machine, store and secret below `folder`."""
    http_port, grpc_port, metrics_port = free_ports(3)
    return changed(
        config,
        host="127.0.0.1",
        http_port=http_port,
        grpc_port=grpc_port,
        metrics_port=metrics_port,
        store=str(folder / "models"),
        secret_file=str(folder / "secret"),
    )
