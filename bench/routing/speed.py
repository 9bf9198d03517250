"""Rates with a route and without one, and of two releases by those of one."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from bench.figures import Compared, Figure, at_least
from bench.routing.settings import BenchRoutingConfig
from bench.routing.world import LENIENT, RoutedServer, route_of, routed_server
from bench.served.capacity import NAMES
from bench.served.entry import say
from contracts.serving.config import ServerConfig
from contracts.serving.releases import EXPORTED
from loadtests.perf_analyzer.analyzer import PerfAnalyzer
from loadtests.perf_analyzer.input import requests_of
from loadtests.perf_analyzer.target import analyzers, target_of
from loadtests.requests.traffic import read_traffic
from loadtests.verdicts.samples import count
from serving.server.server import TritonServer
from serving.server.trial import trial_server


def speed_figures(config: BenchRoutingConfig, server_config: ServerConfig, challenger: Path) -> list[Figure]:
    """`challenger` answers as the champion does."""
    with ExitStack() as stack:
        unrouted = stack.enter_context(trial_server(EXPORTED, server_config))
        routed = stack.enter_context(routed_server(server_config, EXPORTED))
        split = stack.enter_context(routed_server(server_config, EXPORTED, challenger))
        split.put(route_of("ab", share=50, limits=LENIENT))
        sides = (unrouted, routed.server, split.server)
        figures = [figure for rows, clients in config.workloads for figure in _workload(config, sides, rows, clients)]
        return [*figures, _shares(split)]


def _workload(config: BenchRoutingConfig, servers: Sequence[TritonServer], rows: int, clients: int) -> list[Figure]:
    requests = requests_of(read_traffic(config.traffic_rows), rows, config.distinct)
    asking = [analyzers(target_of(server), requests, config.protocols, config.tolerance) for server in servers]
    figures = []
    for protocol in config.protocols:
        rates: list[list[float]] = [[] for _ in servers]
        for _ in range(config.pairs):
            for side, found in zip(asking, rates, strict=True):
                found.append(_rate(side[protocol], clients, config))
        named, limits = f"{NAMES[protocol]}, {rows} / {clients}", config.limits
        unrouted, routed, split = map(tuple, rates)
        figures += [
            _compared(f"routing: rate with a route by without, {named}", routed, unrouted, limits.off_ratio),
            _compared(f"routing: rate of two releases by one, {named}", split, routed, limits.split_ratio),
        ]
        say(f"{figures[-2].what}: {figures[-2].figure}; two releases: {figures[-1].figure}")
    return figures


def _rate(analyzer: PerfAnalyzer, clients: int, config: BenchRoutingConfig) -> float:
    """Rows a second. Raises ValueError if an answer was not right."""
    load = analyzer.closed(clients, config.seconds, config.warmup_s)
    if wrong := {name: number for name, number in count(load.samples).items() if number and name != "ok"}:
        raise ValueError(f"answers over {analyzer.protocol} at {clients} clients were not all right: {wrong}")
    return load.requests_per_s * float(load.samples["rows"][0])


def _compared(what: str, ours: tuple[float, ...], theirs: tuple[float, ...], bar: float) -> Figure:
    compared = Compared(ours=ours, theirs=theirs)
    middle = median(compared.ratios)
    shown = f"{middle:.3f}x in the median of {len(ours)} pairs, {compared.shown(3)}; {median(ours):,.0f} rows/s"
    return at_least(what, middle, bar, shown, f">= {bar:g}x")


def _shares(split: RoutedServer) -> Figure:
    arms = {arm: split.counted("adclick_routed_total", arm=arm) for arm in ("champion", "challenger", "none")}
    fallbacks = split.counted("adclick_fallback_total")
    shown = ", ".join(f"{number:,.0f} {arm}" for arm, number in arms.items())
    return Figure(what="routing: requests of the two releases", figure=f"{shown}; {fallbacks:,.0f} fell back")
