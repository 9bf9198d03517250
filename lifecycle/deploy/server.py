"""The running server that is deployed to, with its store; one deployment at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from contracts.serving.config import ServerConfig
from contracts.serving.release_log import Entry, append
from serving.releases.store import Store
from serving.server.admin import AdminApi
from serving.server.secret import admin_secret
from serving.server.switch import switch

LOCK = ".deploy.lock"


@dataclass(frozen=True, kw_only=True)
class RunningServer:
    config: ServerConfig
    store: Store
    admin: AdminApi

    def serves(self, version: int | None) -> bool:
        """Is it the version that answers, and all that does."""
        return version is not None and self.store.active() == version and self.admin.versions("ctr") == [version]

    def switch_to(self, version: int, entry: Entry) -> None:
        """Write `entry`, then have the server serve `version`.

        Raises ValueError if it does not load: the version before goes on, and a line of the log says that too.
        """
        append(self.store.folder, entry)
        try:
            switch(self.store, self.admin, version)
        except ValueError as error:
            append(self.store.folder, replace(entry, event="refusal", reasons=(str(error),)))
            raise


@contextmanager
def running_server(config: ServerConfig) -> Iterator[RunningServer]:
    """The server at the addresses of `config`, for one deployment.

    Raises ValueError if none answers there, or another deployment is under way.
    """
    admin = AdminApi(f"http://{config.host}:{config.http_port}", admin_secret(Path(config.secret_file)))
    if not admin.live():
        raise ValueError(f"no server answers at {config.host}:{config.http_port}; start one with `make serve`")
    store = Store(Path(config.store))
    descriptor = os.open(store.folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(f"another deployment to {store.folder}/ is under way; wait until it has ended") from None
        yield RunningServer(config=config, store=store, admin=admin)
    finally:
        os.close(descriptor)
