"""Broken challengers at a small share of the users, under load: how soon all go to the champion, and what that cost them."""

import json
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.figures import Figure, at_most
from bench.routing.challengers import Surgery, constant, failing, hanging, make_challenger, not_finite, slow
from bench.routing.settings import BenchRoutingConfig
from bench.routing.users import KnownUsers, send
from bench.routing.world import RoutedServer, route_of, routed_server
from bench.served.entry import say
from contracts.serving.config import ServerConfig
from contracts.serving.releases import EXPORTED

CONSTANT = 0.17  # near the mean of the simulated exchange, so that it is its being constant that is seen
COUNTED_S = 0.3  # until the door's counters are handed on


@dataclass(frozen=True, kw_only=True)
class BrokenRollout:
    """One attempt with a broken challenger."""

    reason: str  # why its fuse blew; "" if it did not
    requests: float  # that it was assigned, all in all
    took_s: float  # from its first request until its fuse blew
    failed: int  # requests without an answer
    wrong: int  # answers of the champion that were not what it answers
    sent: int


def kinds(slow_steps: int) -> dict[str, Surgery]:
    return {
        "NaN": not_finite(),
        "constant": constant(CONSTANT),
        "errors": failing(),
        f"5x slower ({slow_steps} steps)": slow(slow_steps),
        "hangs": hanging(),
    }


def belt_figures(config: BenchRoutingConfig, server_config: ServerConfig, slow_steps: int) -> list[Figure]:
    figures = []
    for kind, surgery in kinds(slow_steps).items():
        with tempfile.TemporaryDirectory(prefix="adclick-broken-") as folder:
            challenger = make_challenger(EXPORTED, Path(folder) / "repository", surgery)
            with routed_server(server_config, EXPORTED, challenger) as running:
                users = KnownUsers.of(config, running)
                found = [*_rollouts(config, running, users)]
        figures += rollout_figures(kind, found, config)
        say(f"{kind}: {figures[-2].figure}; {figures[-1].figure}")
    return figures


def _rollouts(config: BenchRoutingConfig, running: RoutedServer, users: KnownUsers) -> Iterator[BrokenRollout]:
    for _ in range(config.broken_runs):
        route = route_of("canary", share=config.broken_share, shadow=100)
        running.put(route_of("off"))
        before = running.counted("adclick_routed_total", arm="challenger")
        writing = threading.Timer(0.5, running.write, (route,))
        writing.start()
        sent = send(config, running, users, config.broken_rate, config.broken_seconds)
        writing.join()
        time.sleep(COUNTED_S)
        challenged = running.counted("adclick_routed_total", arm="challenger") - before
        fuse = running.fuse(route)
        told = json.loads(fuse.read_text()) if fuse.exists() else {"reason": "", "at": np.inf}
        first_ns = (running.store / "route").stat().st_mtime_ns  # in force soon after it was written
        yield BrokenRollout(
            reason=told["reason"],
            requests=challenged,
            took_s=(told["at"] - first_ns) / 1e9,
            failed=sent.failed,
            wrong=sent.wrong_of_champion(users, config.tolerance),
            sent=len(sent.version),
        )


def rollout_figures(kind: str, found: list[BrokenRollout], config: BenchRoutingConfig) -> list[Figure]:
    """All to the champion within so many of its requests and so long; nobody without an answer."""
    most, longest = max(one.requests for one in found), max(one.took_s for one in found)
    failed, wrong, sent = (sum(getattr(one, name) for one in found) for name in ("failed", "wrong", "sent"))
    limits, reasons = config.limits, ", ".join(sorted({one.reason or "not seen" for one in found}))
    what = f"a challenger that {kind}" if kind == "hangs" else f"a challenger with {kind}"
    shown = (
        f"{np.median([one.requests for one in found]):.0f} requests and {np.median([one.took_s for one in found]):.2f} s in the "
        f"median, {most:.0f} and {longest:.2f} s at most of {len(found)} rollouts ({reasons})"
    )
    is_met = most <= limits.broken_requests and longest <= limits.broken_s
    bar = f"<= {limits.broken_requests} requests and {limits.broken_s:g} s"
    return [
        Figure(what=f"all to the champion after {what}", figure=shown, bar=bar, met=is_met),
        at_most(f"requests that {what} cost", failed + wrong, 0, f"{failed} failed, {wrong} wrong, of {sent:,}", "0"),
    ]
