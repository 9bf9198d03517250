"""Rows a second of the served model, against the release before it and against its graph in process: `make bench-serving`.

A workload that is slower than on the release before, beyond noise, fails the part. Training and bulk scoring are timed
beside it, for information.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Protocol

from bench.figures import Compared, Figure, spread
from bench.parts import PartFailed
from bench.served.capacity import NAMES
from bench.served.entry import say, served_main
from bench.served.in_process import rows_per_s
from bench.served.versions import released_server, version_before
from bench.workspace import workspace
from contracts.serving.releases import EXPORTED
from loadtests.limits.regression import BenchServingConfig, Pairs, regressions
from loadtests.perf_analyzer.analyzer import AnalyzerRun, PerfAnalyzer
from loadtests.perf_analyzer.input import requests_of
from loadtests.perf_analyzer.settings import load_perf_settings
from loadtests.perf_analyzer.target import analyzers, target_of
from loadtests.requests.traffic import read_traffic
from loadtests.verdicts.latency import quantile
from loadtests.verdicts.samples import count, latencies_ms
from serving.releases.store import Store
from serving.server.server import TritonServer
from serving.server.settings import load_server_config
from serving.server.trial import trial_server
from stages.files import read_json

MONTHS = 3  # of the simulated data


class TimedRuns(Protocol):
    """Settings that say how long a run is."""

    @property
    def seconds(self) -> float: ...

    @property
    def warmup_s(self) -> float: ...


def measure(overrides: Sequence[str] = ()) -> list[Figure]:
    config = load_perf_settings("bench_serving", BenchServingConfig, overrides)
    inside, figures = in_process(config)
    server_config = load_server_config()
    store = Store(Path(server_config.store))
    before = version_before(store, EXPORTED)
    with ExitStack() as stack:
        servers = [stack.enter_context(trial_server(EXPORTED, server_config))]
        if before is not None:
            servers.append(stack.enter_context(released_server(store, before, server_config)))
        loads = served(config, servers)
        if before is not None:
            confirm(loads, config, servers)
    figures += [workload_figure(workload, runs, inside, config) for workload, runs in loads.items()]
    against = "no earlier release to compare with" if before is None else f"against release {before} of {store.folder}/"
    figures.append(Figure(what="the served model's rates", figure=f"newest export, {against}"))
    figures += other_speed(config.rows_per_month)
    slower = [] if before is None else regressions([pairs(name, runs) for name, runs in loads.items()], config.limits)
    if slower:
        raise PartFailed("; ".join(slower), figures)
    return figures


def in_process(config: BenchServingConfig) -> tuple[dict[int, float], list[Figure]]:
    """Rows a second of the graph alone on the most processes, by rows a call; and the figures of all numbers of processes."""
    reference, figures = {}, []
    for rows in sorted({rows for rows, _ in config.workloads}):
        for processes in config.processes:
            rates = [rows_per_s(rows, config.seconds, processes) for _ in range(config.pairs)]
            if processes == max(config.processes):
                reference[rows] = median(rates)
            named = f"{processes} process{'es' if processes > 1 else ''} x one thread"
            figures.append(Figure(what=f"`ctr.onnx` in process, {named}, {rows} rows a call", figure=spread(rates, "rows/s")))
            say(f"{figures[-1].what}: {figures[-1].figure}")
    return reference, figures


Workload = tuple[str, int, int]  # protocol, rows a request, clients


def served(
    config: BenchServingConfig, servers: list[TritonServer], wanted: Sequence[Workload] | None = None
) -> dict[Workload, list[list[AnalyzerRun]]]:
    """The runs of each workload: one list a server, measured in turn. `wanted`: some workloads only."""
    traffic = read_traffic(config.traffic_rows)
    every = [(protocol, rows, clients) for rows, clients in config.workloads for protocol in config.protocols]
    found: dict[Workload, list[list[AnalyzerRun]]] = {}
    for rows in sorted({rows for _, rows, _ in wanted or every}):
        requests = requests_of(traffic, rows, config.distinct)
        sides = [analyzers(target_of(server), requests, config.protocols, config.tolerance) for server in servers]
        for workload in (workload for workload in wanted or every if workload[1] == rows):
            protocol, _, clients = workload
            runs: list[list[AnalyzerRun]] = [[] for _ in sides]
            for _ in range(config.pairs):
                for side, loads in zip(sides, runs, strict=True):
                    loads.append(run_once(side[protocol], clients, config))
            found[workload] = runs
            say(f"{named(*workload)}: {spread([rate(load) for load in runs[0]], 'rows/s')}")
    return found


def confirm(loads: dict[Workload, list[list[AnalyzerRun]]], config: BenchServingConfig, servers: list[TritonServer]) -> None:
    """Measure those that look slower once more, and add the runs: one slow minute of the machine accuses nobody."""
    suspected = [workload for workload, runs in loads.items() if regressions([pairs(workload, runs)], config.limits)]
    if not suspected:
        return
    say(f"{len(suspected)} of {len(loads)} workloads look slower than on the release before; measuring them again")
    for workload, again in served(config, servers, suspected).items():
        for runs, more in zip(loads[workload], again, strict=True):
            runs += more


def run_once(analyzer: PerfAnalyzer, clients: int, config: TimedRuns) -> AnalyzerRun:
    """One run. Raises ValueError if an answer was not right: a fast wrong server is not fast."""
    load = analyzer.closed(clients, config.seconds, config.warmup_s)
    wrong = {name: number for name, number in count(load.samples).items() if number and name != "ok"}
    if wrong:
        raise ValueError(f"answers over {analyzer.protocol} at {clients} clients were not all right: {wrong}")
    return load


def rate(load: AnalyzerRun) -> float:
    """Rows a second."""
    return load.requests_per_s * float(load.samples["rows"][0])


def named(protocol: str, rows: int, clients: int) -> str:
    return f"served over {NAMES[protocol]}, rows a request / clients: {rows} / {clients}"


def pairs(workload: Workload, runs: list[list[AnalyzerRun]]) -> Pairs:
    ours, before = (tuple(rate(load) for load in loads) for loads in runs)
    return Pairs(name=named(*workload), ours=ours, before=before)


def workload_figure(
    workload: Workload, runs: list[list[AnalyzerRun]], inside: dict[int, float], config: BenchServingConfig
) -> Figure:
    ours = [rate(load) for load in runs[0]]
    middle = runs[0][ours.index(sorted(ours)[len(ours) // 2])]
    p50, p99 = (quantile_text(middle, q) for q in (0.5, 0.99))
    _, rows, _ = workload
    text = f"{spread(ours, 'rows/s')}, {middle.requests_per_s:,.0f} requests/s; {p50}, {p99}; "
    text += f"{median(ours) / inside[rows]:.2f}x of {max(config.processes)} processes in process"
    if len(runs) == 2:
        compared = Compared(ours=tuple(ours), theirs=tuple(rate(load) for load in runs[1]))
        text += f"; {compared.shown(2)} of the release before"
    return Figure(what=named(*workload), figure=text)


def quantile_text(load: AnalyzerRun, q: float) -> str:
    """A quantile of the latency, or that there are too few requests for it."""
    return str(quantile(latencies_ms(load.samples, "ok"), q))


def other_speed(rows_per_month: int) -> list[Figure]:
    """Training and bulk scoring on little data: start-up weighs more than on the data of `make bench`."""
    with workspace([f"exchange.impressions_per_month={rows_per_month}", "train.max_epochs=1"]) as space:
        space.stages("acquire", "validate", "split", "fit", "encode", "train")
        trained = read_json(space.root / "reports/train_timing.json")["train_rows_per_s"]
        space.stages("export")
        scored_s = space.stage("score", "data/raw", "scores.parquet").wall_s
    size = f"{rows_per_month:,} rows a month"
    return [
        Figure(what=f"stage train, one epoch, {size}", figure=f"{trained:,.0f} rows/s"),
        Figure(
            what=f"bulk scoring from CSV, start-up included, {size}", figure=f"{MONTHS * rows_per_month / scored_s:,.0f} rows/s"
        ),
    ]


if __name__ == "__main__":
    served_main("bench-serving", measure)
