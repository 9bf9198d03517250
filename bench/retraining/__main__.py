"""What a training costs the users of the server beside it: `make bench-retraining`."""

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import numpy as np

from bench.figures import Figure, at_most
from bench.parts import all_met
from bench.retraining.paused import PausedTraining
from bench.retraining.settings import BenchRetrainingConfig
from bench.routing.world import routed_server
from bench.served.capacity import search
from bench.served.entry import say, served_main
from contracts.serving.releases import EXPORTED
from loadtests.limits.settings import CapacityConfig
from loadtests.perf_analyzer.analyzer import PerfAnalyzer
from loadtests.perf_analyzer.input import requests_of
from loadtests.perf_analyzer.settings import load_perf_settings
from loadtests.perf_analyzer.target import analyzers, target_of
from loadtests.requests.traffic import read_traffic
from loadtests.verdicts.samples import count, latencies_ms
from serving.server.settings import load_server_config


def measure(overrides: Sequence[str] = ()) -> list[Figure]:
    config = load_perf_settings("bench_retraining", BenchRetrainingConfig, overrides)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="adclick-retraining-")))
        running = stack.enter_context(routed_server(load_server_config(), EXPORTED))
        training = PausedTraining(config=config, root=folder / "trainings")
        requests = requests_of(read_traffic(config.traffic_rows), config.rows, config.distinct)
        analyzer = analyzers(target_of(running.server), requests, (config.protocol,), config.tolerance)[config.protocol]
        capacity = (
            config.capacity or search(analyzer, load_perf_settings("capacity", CapacityConfig), config.capacity_minutes).rate
        )
        if not capacity:
            raise ValueError("the server bears no rate within the limits of capacity.yaml: something else takes the processors")
        try:
            figures = [_at(config, analyzer, training, capacity, load) for load in config.loads]
        finally:
            training.end()
    return all_met(figures)


def _at(config: BenchRetrainingConfig, analyzer: PerfAnalyzer, training: PausedTraining, capacity: float, load: float) -> Figure:
    rng = np.random.default_rng(config.seed)
    alone, beside, cores = [], [], []
    with training.going():
        pass  # it is in the midst of fitting, and stopped
    for _ in range(config.pairs):
        alone.append(_p99_ms(config, analyzer, capacity * load, rng))
        with training.going():
            before = training.core_s()
            beside.append(_p99_ms(config, analyzer, capacity * load, rng))
            cores.append((training.core_s() - before) / (config.seconds + config.warmup_s))
    ratios = [b / a for a, b in zip(alone, beside, strict=True)]
    p99 = f"{median(beside):.2f} by {median(alone):.2f} ms, {min(ratios):.2f} to {max(ratios):.2f} in {len(ratios)} pairs"
    found = at_most(
        f"served p99 beside a training by that without, at {load:.0%} of the capacity, {capacity * load:,.0f} requests/s of "
        f"{config.rows} row{'s' if config.rows > 1 else ''}",
        median(ratios),
        config.limits.p99_ratio,
        f"{median(ratios):.2f}x: {p99}; the training had {median(cores):.2f} cores",
        f"<= {config.limits.p99_ratio:g}x",
    )
    say(f"{found.what}: {found.figure}")
    return found


def _p99_ms(config: BenchRetrainingConfig, analyzer: PerfAnalyzer, rate: float, rng: np.random.Generator) -> float:
    run = analyzer.open(rate, config.seconds, config.warmup_s, rng)
    if wrong := {name: number for name, number in count(run.samples).items() if number and name != "ok"}:
        raise ValueError(f"answers at {rate:,.0f} requests/s were not all right: {wrong}")
    return float(np.quantile(latencies_ms(run.samples, "ok"), 0.99))


if __name__ == "__main__":
    served_main("bench-retraining", measure)
