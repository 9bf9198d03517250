"""`make bench-journal-peers`: servers that remember their answers, on the same graph, one row a request from 64 clients.

How fast each answers while it writes, and how many of the answers that callers had received are missing after kill -9.
"""

import signal
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from pydantic import Field
from pydantic.dataclasses import dataclass

from bench.figures import Figure, at_least, spread
from bench.parts import PartFailed
from bench.served.entry import say, served_main
from contracts.serving.config import ServerConfig
from loadtests.peers.generator import program
from loadtests.peers.journalled import NAMES, OURS, journalling
from loadtests.peers.killed import killed
from loadtests.peers.prepared import PreparedBodies, prepare
from loadtests.peers.wrk import run_wrk, write_script
from loadtests.perf_analyzer.settings import STRICT, PerfConfig, load_perf_settings
from loadtests.requests.traffic import read_traffic
from serving.server.settings import load_server_config

ROWS, CLIENTS = 1, 64


@dataclass(frozen=True, kw_only=True, config=STRICT)
class JournalPeersConfig(PerfConfig):
    """The meaning of each key stands in conf/loadtest/bench/bench_journal_peers.yaml."""

    rounds: int = Field(ge=1)
    seconds: int = Field(ge=1)
    warmup_s: int = Field(ge=1)
    killed_after_s: float = Field(gt=0)
    ratio: float = Field(gt=0)


def measure(overrides: Sequence[str] = ()) -> list[Figure]:
    config = load_perf_settings("bench_journal_peers", JournalPeersConfig, overrides)
    program("wrk", "wrk")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that servers and loads are ended
    rates: dict[str, list[float]] = defaultdict(list)
    lost: dict[str, list[tuple[int, int]]] = defaultdict(list)
    failures: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="adclick-journals-") as name:
        prepared = prepare(read_traffic(config.traffic_rows), [ROWS], Path(name))
        for number in range(config.rounds):
            for server in (one for one in NAMES if one not in failures):
                try:
                    rate, received, missing = turn(server, prepared, load_server_config(), config, number)
                except (ValueError, OSError) as error:
                    failures[server] = " ".join(str(error).split())
                    continue
                rates[server].append(rate)
                lost[server].append((received, missing))
                say(f"round {number + 1}: {server}: {rate:,.0f} requests/s; kill -9: {missing:,} of {received:,} answers lost")
    found = figures({one: rates[one] for one in NAMES if one not in failures}, lost, config.ratio)
    if failures or any(figure.met is False for figure in found):
        missed = [f"{figure.what}: {figure.figure}, {figure.bar}" for figure in found if figure.met is False]
        raise PartFailed("; ".join([*missed, *(f"{one}: {reason}" for one, reason in failures.items())]), found)
    return found


def turn(
    name: str, prepared: PreparedBodies, server_config: ServerConfig, config: JournalPeersConfig, number: int
) -> tuple[float, int, int]:
    """One server: its requests a second; of how many answers that were received before it was killed how many are missing."""
    folder = prepared.folder / f"{name.split(',')[0]}-{number}"
    with journalling(name, prepared, server_config, folder) as running:
        bodies = prepared.bodies(running.door, ROWS)
        script, url = write_script(prepared.folder, running.door.path, bodies), f"http://{running.server.http}{running.door.path}"
        run_wrk(url, script, CLIENTS, config.warmup_s)
        load = run_wrk(url, script, CLIENTS, config.seconds)
        if load.errors:
            raise ValueError(f"{name}: {load.errors} of {load.requests} requests were not answered")
        received = killed(running, bodies, config.killed_after_s)
    missing = set(received.ids) - running.remembered()
    if len(missing) == len(received.ids):
        raise ValueError(f"{name}: nothing of {len(missing)} answers stands in its files; are they elsewhere?")
    return load.requests_per_s, len(received.ids), len(missing)


def figures(rates: dict[str, list[float]], lost: dict[str, list[tuple[int, int]]], bar: float) -> list[Figure]:
    found = []
    for name, values in rates.items():
        received, missing = (sum(one[place] for one in lost[name]) for place in (0, 1))
        shown = f"{spread(values, 'requests/s')}; kill -9: {missing:,} of {received:,} received answers lost"
        met = missing == 0 if name == OURS.name else None
        found.append(Figure(what=f"journals, 1 / 64: {name}", figure=shown, bar="none lost" if met is not None else "", met=met))
    others = {name: median(values) for name, values in rates.items() if name != OURS.name}
    if OURS.name in rates and others:
        best = max(others, key=others.__getitem__)
        ratio = median(rates[OURS.name]) / others[best]
        found.append(at_least("journals, 1 / 64: ours by the best peer", ratio, bar, f"{ratio:.2f}x of {best}", f">= {bar:g}x"))
    return found


if __name__ == "__main__":
    served_main("bench-journal-peers", measure)
