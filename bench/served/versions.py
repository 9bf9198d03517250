"""The newest export and the release before it, both served at once on free ports; the store stays as it is."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from contracts.serving.config import ServerConfig
from serving.releases.store import Store
from serving.server.ports import free_ports
from serving.server.server import TritonServer
from serving.server.settings import changed


def version_before(store: Store, exported: Path) -> int | None:
    """The release that the newest export is compared with: what is served, or what was released before it if that is the export.

    None if there is none.
    """
    active = store.active()
    if active is not None and active != store.released(exported):
        return active
    return max((version for version in store.versions() if active is not None and version < active), default=None)


@contextmanager
def released_server(store: Store, version: int, config: ServerConfig) -> Iterator[TritonServer]:
    """A release of the store on free ports, from a copy that is removed afterwards. Raises ValueError if it does not load."""
    with tempfile.TemporaryDirectory(prefix="adclick-release-") as name:
        folder = Path(name)
        copy = Store(folder / "models")
        for model in store.models(version):
            shutil.copytree(store.folder / model / str(version), copy.folder / model / str(version))
        copy.activate(version)
        ports = dict(zip(("http_port", "grpc_port", "metrics_port"), free_ports(3), strict=True))
        own = {"host": "127.0.0.1", "store": str(copy.folder), "secret_file": str(folder / "secret")}
        with TritonServer(changed(config, **own, **ports), log_path=folder / "triton.log") as server:
            yield server
