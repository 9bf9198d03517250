"""Real Triton with two releases and a route, in a folder of the test's own."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from contracts.clock import clock
from contracts.files import write_whole
from contracts.serving.fuse import fuse_path, shown
from contracts.serving.route import NAME, Mode, Route, Trial, text_of
from serving.journal.folder import kept_journal
from serving.releases.configs import Opened
from serving.releases.store import Store
from serving.server.server import TritonServer
from serving.triton.environment import ROUTE
from tests.route_limits import LIMITS as STRICT
from tests.serving.journal.journalled import Journalled, journal_config
from tests.serving.metrics import scrape, total
from tests.serving.served_world import VENV, server_config, wait_for

SALT = "9f86d081884c7d65"
LIMITS = replace(STRICT, timeout_ms=10_000, max_p99_ms=10_000, max_slowdown=Decimal(1000))  # that a busy machine does not pass


def a_route(
    mode: Mode = "ab", share: float = 50, shadow: float = 0, minutes: float = 10, salt: str = SALT, **limits: Any
) -> Route:
    """Champion 1, challenger 2."""
    trial = Trial(
        challenger=2,
        share_ppm=round(share * 10_000),
        shadow_ppm=round(shadow * 10_000),
        salt=salt,
        valid_until_ms=clock().now_ns() // 1_000_000 + round(minutes * 60_000),
        limits=replace(LIMITS, **limits),
    )
    return Route(champion=1, mode=mode, trial=trial)


@dataclass(frozen=True, kw_only=True)
class Routed:
    server: TritonServer
    folder: Path
    journal: Journalled | None

    @property
    def path(self) -> Path:
        return self.folder / "models" / NAME

    def fuse(self, route: Route) -> Path:
        return fuse_path(self.folder / "models", route.digest)

    def put(self, route: Route, wait: bool = True) -> None:
        write_whole(self.path, text_of(route).encode())
        if wait:
            wait_for(lambda: self.in_force() == shown(route.digest), 20, "the route is in force")
            takes_part = route.trial is not None and route.trial.valid_until_ms > time.time() * 1000
            if takes_part and not self.fuse(route).exists():
                wait_for(lambda: self.counted("adclick_challenger_open") == 1, 20, "its challenger is open")

    def in_force(self) -> str | None:
        values = scrape(self.server).values
        shown = [dict(labels)["route"] for (name, labels), value in values.items() if name == "adclick_route_info" and value]
        return shown[0] if shown else None

    def counted(self, name: str, **labels: str) -> float:
        return total(scrape(self.server), name, **labels)


@contextmanager
def routed(folder: Path, champion: Path, challenger: Path, journal: bool = False, **changes: Any) -> Iterator[Routed]:
    """Release 1 is served, release 2 stands beside it in the models that `ctr` calls; there is no route yet."""
    config = server_config(folder, **changes)
    store = Store(Path(config.store))
    first, second = store.release(champion), store.release(challenger)
    store.activate(first)
    store.configure(Opened(champion=first, challenger=second), doors=False)
    told = {ROUTE: str((folder / "models" / NAME).resolve())}
    kept = folder / "journal"
    if not journal:
        with TritonServer(config, venv=VENV, log_path=folder / "triton.log", watch=False, journal=told) as server:
            yield Routed(server=server, folder=folder, journal=None)
        return
    with (
        kept_journal(journal_config(kept)) as also,
        TritonServer(config, venv=VENV, log_path=folder / "triton.log", watch=False, journal=told | also) as server,
    ):
        yield Routed(server=server, folder=folder, journal=Journalled(server=server, folder=kept))
