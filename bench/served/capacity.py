"""The highest rate of arrivals that the served model bears within its limits: `make capacity`.

Server and generator share the machine. What was measured is also written to reports/capacity.json, from which `make soak`
and `make spike` take their rates.
"""

from collections.abc import Sequence
from pathlib import Path
from statistics import median

import numpy as np

from bench.figures import Figure
from bench.parts import Unprepared
from bench.served.entry import say, served_main
from contracts.serving.releases import EXPORTED
from loadtests.limits.capacity import Capacity, RateTrial, Search, judged
from loadtests.limits.settings import CapacityConfig
from loadtests.perf_analyzer.analyzer import PerfAnalyzer
from loadtests.perf_analyzer.input import requests_of
from loadtests.perf_analyzer.process import RequestFailed
from loadtests.perf_analyzer.settings import load_perf_settings
from loadtests.perf_analyzer.target import analyzers, target_of
from loadtests.requests.traffic import read_traffic
from serving.server.settings import load_server_config
from serving.server.trial import trial_server
from stages.files import read_json, write_json

RESULTS = Path("reports/capacity.json")
SAMPLES_FOR_P99 = 1000  # fewer leave a wide interval
LOWEST = 10.0  # requests a second; what does not bear that bears nothing
NAMES = {"grpc": "gRPC", "http": "HTTP"}


def measure(overrides: Sequence[str] = ()) -> list[Figure]:
    """Each workload on a server of its own, so that none inherits what another has left behind."""
    config = load_perf_settings("capacity", CapacityConfig, overrides)
    traffic = read_traffic(config.traffic_rows)
    figures, found = [], {}
    workloads = [(rows, protocol) for rows in config.rows for protocol in config.protocols]
    for rows, protocol in workloads:
        say(f"capacity over {NAMES[protocol]}, {rows} rows a request")
        with trial_server(EXPORTED, load_server_config()) as server:
            requests = requests_of(traffic, rows, config.distinct)
            analyzer = analyzers(target_of(server), requests, (protocol,), config.tolerance)[protocol]
            capacity = search(analyzer, config, config.minutes / len(workloads))
        figures.append(capacity_figure(protocol, rows, capacity, config))
        found[f"{protocol}_{rows}"] = capacity.rate
    if not overrides:
        write_json(RESULTS, {"requests_per_s": found})
    return figures


def search(analyzer: PerfAnalyzer, config: CapacityConfig, minutes: float) -> Capacity:
    rng = np.random.default_rng(config.seed)

    def run(rate: float) -> RateTrial:
        seconds = max(config.seconds, SAMPLES_FOR_P99 / rate)
        try:
            return judged(rate, analyzer.open(rate, seconds, config.warmup_s, rng, config.arrivals), config.limits)
        except RequestFailed as failed:
            return RateTrial(rate=rate, broken=str(failed))

    return Search(
        run=run,
        start=config.start,
        growth=config.growth,
        accuracy=config.accuracy,
        votes=config.votes,
        minutes=minutes,
        lowest=LOWEST,
        say=say,
    ).capacity()


def capacity_figure(protocol: str, rows: int, capacity: Capacity, config: CapacityConfig) -> Figure:
    limits = config.limits
    what = f"capacity over {NAMES[protocol]}, {rows} row{'s' if rows > 1 else ''} a request, p99 <= {limits.p99_ms:g} ms"
    if capacity.rate == 0:
        return Figure(what=what, figure=f"none: {capacity.trials[-1].broken if capacity.trials else 'no time to try'}")
    runs = capacity.of(capacity.rate)
    text = f"{capacity.rate:,.0f} requests/s"
    if rows > 1:
        text += f", {capacity.rate * rows:,.0f} rows/s"
    text += f"; p99 {median(run.p99_ms for run in runs):.1f} ms, sent {median(run.late_p99_ms for run in runs):.1f} ms late (p99)"
    text += f" with {median(run.cpu_share for run in runs):.2f} cores of the generator"
    if capacity.refused is not None:
        text += f"; {capacity.refused:,.0f} not borne: {next(run.broken for run in capacity.of(capacity.refused))}"
    return Figure(what=what, figure=text + ("; stopped by its time, not by its accuracy" if capacity.out_of_time else ""))


def measured_capacity(protocol: str, rows: int) -> float:
    """Requests a second of the last `make capacity`. Raises Unprepared where it has not measured this."""
    rate = read_json(RESULTS)["requests_per_s"].get(f"{protocol}_{rows}") if RESULTS.is_file() else None
    if not rate:
        raise Unprepared(
            f"{RESULTS} holds no capacity over {NAMES[protocol]} at {rows} rows a request; run `make capacity`, or give the rate"
        )
    return rate


if __name__ == "__main__":
    served_main("capacity", measure)
