"""What two models behind one door cost, and what a broken one costs: `make bench-routing`."""

import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from bench.figures import Figure
from bench.parts import all_met, collect
from bench.routing.belt import belt_figures
from bench.routing.challengers import GRAPH, make_challenger, scaled, slow
from bench.routing.changes import change_figures
from bench.routing.crash import crash_figures
from bench.routing.settings import BenchRoutingConfig
from bench.routing.shadowed import shadow_figures
from bench.routing.speed import speed_figures
from bench.routing.world import routed_server
from bench.served.entry import served_main
from contracts.serving.config import ServerConfig
from contracts.serving.packed_text import codes_of, text_of
from contracts.serving.releases import EXPORTED
from contracts.serving.request import CATEGORICAL, NUMERIC
from loadtests.perf_analyzer.input import requests_of
from loadtests.perf_analyzer.settings import load_perf_settings
from loadtests.requests.traffic import read_traffic
from serving.server.settings import load_server_config
from stages.files import read_json
from stages.onnx_session import open_session

TIMED, TRIED_STEPS, TIMES, ROWS = 200, 100, 5, 16


def measure(overrides: Sequence[str] = ()) -> list[Figure]:
    config = load_perf_settings("bench_routing", BenchRoutingConfig, overrides)
    server_config = load_server_config()
    with tempfile.TemporaryDirectory(prefix="adclick-challengers-") as name:
        folder = Path(name)
        equal = make_challenger(EXPORTED, folder / "equal", scaled(1.0))
        parts: list[Callable[[], list[Figure]]] = []
        if config.pairs:
            parts.append(partial(speed_figures, config, server_config, equal))
        if config.shadow_pairs:
            parts.append(partial(shadow_figures, config, server_config, equal))
        if config.changes:
            parts.append(partial(_changed, config, server_config, equal))
        if config.broken_runs:
            parts.append(lambda: belt_figures(config, server_config, slow_steps(config, folder)))
            parts.append(partial(crash_figures, config, server_config, equal))
        return all_met(collect(parts))


def _changed(config: BenchRoutingConfig, server_config: ServerConfig, equal: Path) -> list[Figure]:
    with routed_server(server_config, EXPORTED, equal) as running:
        return change_figures(config, running)


def slow_steps(config: BenchRoutingConfig, folder: Path) -> int:
    """So many that a call takes five times as long."""
    tried = make_challenger(EXPORTED, folder / "slow", slow(TRIED_STEPS))
    usual, slowed = (_call_s(config, repository / "ctr/1" / GRAPH) for repository in (EXPORTED, tried))
    return max(1, round((TIMES - 1) * usual / ((slowed - usual) / TRIED_STEPS)))


def _call_s(config: BenchRoutingConfig, graph: Path) -> float:
    """Seconds of a call, in the median."""
    tensors = requests_of(read_traffic(config.traffic_rows), ROWS, 1).tensors[0]
    session = open_session(graph)
    separator = session.get_modelmeta().custom_metadata_map["separator"]
    codes = codes_of(read_json(graph.with_name("request.json"))["categorical"])
    text = text_of(tensors[CATEGORICAL].tolist(), separator, codes)
    feed = {"text": np.array([text], dtype=object), "numeric": tensors.get(NUMERIC)}
    named = {value.name: feed[value.name] for value in session.get_inputs() if value.name in feed}
    took = []
    for _ in range(TIMED):
        began = time.perf_counter()
        session.run(["p_click"], named)
        took.append(time.perf_counter() - began)
    return float(np.median(took))


if __name__ == "__main__":
    served_main("bench-routing", measure)
