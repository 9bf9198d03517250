"""Triton with a champion, a challenger and a route, from a store that is removed afterwards."""

import secrets
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import urllib3

from contracts.clock import clock
from contracts.serving.config import ServerConfig
from contracts.serving.fuse import fuse_path, shown
from contracts.serving.route import NAME, Limits, Mode, Route, Trial
from lifecycle.route.change import limits_of
from serving.releases.configs import Opened
from serving.releases.routing import write_route
from serving.releases.store import Store
from serving.server.server import TritonServer
from serving.server.settings import load_routing_config
from serving.server.trial import apart
from serving.triton.environment import ROUTE

CHAMPION, CHALLENGER = 1, 2
POLL_S, OPEN_S = 0.02, 20.0
VALID_MS = 3_600_000
LENIENT = Limits(
    timeout_ms=10_000,
    max_p99_ms=10_000,
    max_error_share=Decimal(1),
    max_timeout_share=Decimal(1),
    max_mean_ratio=Decimal(1000),
    min_distinct_ratio=Decimal(0),
    max_slowdown=Decimal(1000),
)


def route_of(mode: Mode, share: float = 0, shadow: float = 0, salt: str | None = None, limits: Limits | None = None) -> Route:
    """Champion 1 and, unless `mode` is off, challenger 2, with a salt of its own. `share` and `shadow` in percent.

    `limits` are those of `serving.routing` if none are given.
    """
    if mode == "off":
        return Route(champion=CHAMPION)
    trial = Trial(
        challenger=CHALLENGER,
        share_ppm=round(share * 10_000),
        shadow_ppm=round(shadow * 10_000),
        salt=salt or secrets.token_hex(8),
        valid_until_ms=clock().now_ns() // 1_000_000 + VALID_MS,
        limits=limits or limits_of(load_routing_config()),
    )
    return Route(champion=CHAMPION, mode=mode, trial=trial)


@dataclass(frozen=True, kw_only=True)
class RoutedServer:
    server: TritonServer
    store: Path

    def write(self, route: Route) -> None:
        write_route(self.store, route)

    def put(self, route: Route) -> None:
        """Write it, and wait until it is in force and its challenger takes part. Raises ValueError if that takes too long."""
        self.write(route)
        is_open, digest = float(route.trial is not None), shown(route.digest)
        deadline = time.monotonic() + OPEN_S
        while not self.counted("adclick_route_info", route=digest) or self.counted("adclick_challenger_open") != is_open:
            if time.monotonic() > deadline:
                raise ValueError(f"route {digest} is not in force after {OPEN_S:g} s; log: {self.server.log_path}")
            time.sleep(POLL_S)

    def fuse(self, route: Route) -> Path:
        return fuse_path(self.store, route.digest)

    def counted(self, family: str, **labels: Any) -> float:
        """Sum over the series of model `ctr` with these labels."""
        wanted = [f'{name}="{value}"' for name, value in {"model": "ctr", **labels}.items()]
        text = urllib3.request("GET", self.server.metrics_url, retries=False).data.decode()
        lines = [line for line in text.splitlines() if line.startswith(f"{family}{{") and all(label in line for label in wanted)]
        return sum(float(line.rpartition(" ")[2]) for line in lines)


@contextmanager
def routed_server(
    config: ServerConfig, champion: Path, challenger: Path | None = None, journal: dict[str, str] | None = None
) -> Iterator[RoutedServer]:
    """Exported repositories as releases 1 and 2, on free ports; the route is off. Raises ValueError if one does not load."""
    with tempfile.TemporaryDirectory(prefix="adclick-routed-") as name:
        folder = Path(name)
        own = apart(config, folder)
        store = two_releases(Path(own.store), champion, challenger)
        told = {ROUTE: str((store.folder / NAME).resolve())} | (journal or {})
        with TritonServer(own, log_path=folder / "triton.log", journal=told, watch=False) as server:
            running = RoutedServer(server=server, store=store.folder)
            running.put(route_of("off"))
            yield running


def two_releases(folder: Path, champion: Path, challenger: Path | None) -> Store:
    """A store whose release 1 is served; the models that `ctr` calls have release 2 as well."""
    store = Store(folder)
    first = store.release(champion)
    second = None if challenger is None else store.release(challenger)
    store.activate(first)
    if second is not None:
        store.configure(Opened(champion=first, challenger=second), doors=False)
    return store
