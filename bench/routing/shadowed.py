"""Shadow work: how much of it is done at which load, and what it does to the users' p99."""

from contextlib import ExitStack
from pathlib import Path
from statistics import median

import numpy as np

from bench.figures import Figure, at_least, at_most
from bench.routing.settings import BenchRoutingConfig
from bench.routing.world import LENIENT, RoutedServer, route_of, routed_server
from bench.served.arriving import p99_ms, p99_ratios
from bench.served.capacity import search
from bench.served.entry import say
from contracts.serving.config import ServerConfig
from contracts.serving.releases import EXPORTED
from loadtests.limits.settings import CapacityConfig
from loadtests.perf_analyzer.analyzer import PerfAnalyzer
from loadtests.perf_analyzer.input import requests_of
from loadtests.perf_analyzer.settings import load_perf_settings
from loadtests.perf_analyzer.target import analyzers, target_of
from loadtests.requests.traffic import read_traffic

PROTOCOL = "grpc"


def shadow_figures(config: BenchRoutingConfig, server_config: ServerConfig, challenger: Path) -> list[Figure]:
    figures = []
    capacity_config = load_perf_settings("capacity", CapacityConfig)
    with ExitStack() as stack:
        plain = stack.enter_context(routed_server(server_config, EXPORTED))
        shadowed = stack.enter_context(routed_server(server_config, EXPORTED, challenger))
        shadowed.put(route_of("shadow", shadow=100, limits=LENIENT))
        for rows in config.shadow_rows:
            requests = requests_of(read_traffic(config.traffic_rows), rows, config.distinct)
            sides = [
                analyzers(target_of(one.server), requests, (PROTOCOL,), config.tolerance)[PROTOCOL] for one in (plain, shadowed)
            ]
            capacity = search(sides[0], capacity_config, config.capacity_minutes).rate
            for load, share in zip(config.shadow_loads, config.limits.shadow_shares, strict=True):
                figures += _at(config, sides, shadowed, rows, load, capacity * load, share)
    return figures


def _at(
    config: BenchRoutingConfig, sides: list[PerfAnalyzer], shadowed: RoutedServer, rows: int, load: float, rate: float, bar: float
) -> list[Figure]:
    rng = np.random.default_rng(config.seed)
    p99: list[list[float]] = [[], []]
    done, asked = 0.0, 0.0
    for _ in range(config.shadow_pairs):
        for place, analyzer in enumerate(sides):
            before = _shadowed_requests(shadowed), _routed_requests(shadowed)
            p99[place].append(p99_ms(analyzer, rate, config.shadow_seconds, config.warmup_s, rng))
            if place == 1:
                done, asked = done + _shadowed_requests(shadowed) - before[0], asked + _routed_requests(shadowed) - before[1]
    ratios = p99_ratios([(ours, theirs) for theirs, ours in zip(*p99, strict=True)])
    share, ratio = done / asked, median(ratios)
    named = f"at {load:.0%} of the capacity, {rate / load:,.0f} requests/s of {rows} row{'s' if rows > 1 else ''}"
    shown = f"{median(p99[1]):.2f} by {median(p99[0]):.2f} ms, {min(ratios):.2f} to {max(ratios):.2f} in {len(ratios)} pairs"
    found = [
        at_least(f"shadow: computed by the other arm too, {named}", share, bar, f"{share:.1%}", f">= {bar:.0%}"),
        at_most(
            f"shadow: p99 by that without, {named}", ratio, config.limits.shadow_p99_ratio, f"{ratio:.2f}x: {shown}",
            f"<= {config.limits.shadow_p99_ratio:g}x",
        ),
    ]  # fmt: skip
    say(f"{found[0].what}: {found[0].figure}; p99 {found[1].figure}")
    return found


def _shadowed_requests(server: RoutedServer) -> float:
    """Requests that the other arm has computed until now."""
    return server.counted("adclick_shadow_total", outcome="done")


def _routed_requests(server: RoutedServer) -> float:
    """Requests that the route has assigned until now."""
    return server.counted("adclick_routed_total")
