"""The running server that is deployed to, with its store; one deployment at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from contracts.serving.config import ServerConfig
from contracts.serving.release_log import Entry, append
from contracts.serving.route import Route
from lifecycle.deploy.lock import alone
from serving.releases.store import Store
from serving.server.admin import AdminApi
from serving.server.secret import admin_secret
from serving.server.switch import refuse_another_rollout, switch


@dataclass(frozen=True, kw_only=True)
class RunningServer:
    config: ServerConfig
    store: Store
    admin: AdminApi
    route: Route | None  # when the deployment began

    def serves(self, version: int | None) -> bool:
        """Is it the version that answers, and all that does."""
        return version is not None and self.store.active() == version and self.admin.versions("ctr") == [version]

    def refuse_rollout(self, version: int | None) -> None:
        """Raise ValueError if a rollout is under way that `version` has no part in, or that has changed since we looked."""
        refuse_another_rollout(self.store, version)
        found = self.store.readable_route()
        if (found and found.digest) != (self.route and self.route.digest):
            raise ValueError(f"the route of {self.store.folder}/ was changed meanwhile; see `make route`, and deploy again")

    def switch_to(self, version: int, entry: Entry) -> None:
        """Write `entry`, then have the server serve `version`.

        Raises ValueError if it does not load: the version before goes on, and a line of the log says that too.
        """
        self.refuse_rollout(version)
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
    with alone(store.folder):
        yield RunningServer(config=config, store=store, admin=admin, route=store.readable_route())
