"""The served model against FastAPI, LitServe, BentoML, MLServer and the graph alone: `python -m bench.servers.compare`.

The same rows, the same graph, the same generators of load, on this machine's cores. `make compare` installs the peers.
A full run writes docs/benchmarks, docs/comparison.md and docs/plots/comparison.svg; a shorter one, by its options, only prints.
"""

if __name__ == "__main__":  # before matplotlib is imported
    from contracts.local_libraries import keep_matplotlib_here

    keep_matplotlib_here()

import argparse
import signal
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.figures import Figure
from bench.parts import PartFailed, run_parts
from bench.servers.page import draw, table, write_page
from bench.servers.verdicts import WORKLOADS, series_of, verdicts
from bench.table import JSON_PATH, ORDER, TABLE_PATH
from loadtests.peers.contenders import CONTENDERS, OURS, Contender
from loadtests.peers.generator import program
from loadtests.peers.measured import PeerMeasurement, Workload
from loadtests.peers.prepared import prepare
from loadtests.peers.rounds import ComparisonPlan, measure_rounds
from loadtests.perf_analyzer.analyzer import FOLDER, installed
from loadtests.requests.traffic import read_traffic
from serving.entry import run
from serving.server.settings import load_server_config

ROUNDS, SECONDS = 3, 4.0
TRAFFIC_ROWS = 60_000


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.servers.compare", description="Compare the served model with other servers."
    )
    parser.add_argument("--only", nargs="+", metavar="NAME", help=f"beginnings of: {', '.join(c.name for c in CONTENDERS)}")
    parser.add_argument("--workloads", nargs="+", metavar="ROWS/CLIENTS", help=f"of: {' '.join(map(str, WORKLOADS))}")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"(default: {ROUNDS})")
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"of a load, whole (default: {SECONDS:g})")
    return parser.parse_args(argv)


def plan_of(args: argparse.Namespace) -> ComparisonPlan:
    """What the options ask for. Raises ValueError for names that there are not."""
    if args.rounds < 1 or args.seconds < 1:
        raise ValueError(f"--rounds and --seconds must be at least 1, got {args.rounds} and {args.seconds:g}")
    return ComparisonPlan(
        contenders=_contenders(args.only), workloads=_workloads(args.workloads), rounds=args.rounds, seconds=args.seconds
    )


def _contenders(only: Sequence[str] | None) -> tuple[Contender, ...]:
    for name in only or ():
        if not any(c.name.startswith(name) for c in CONTENDERS):
            raise ValueError(f"--only: no server is called '{name}'; there are {', '.join(c.name for c in CONTENDERS)}")
    return tuple(c for c in CONTENDERS if only is None or c.name.startswith(tuple(only)))


def _workloads(names: Sequence[str] | None) -> tuple[Workload, ...]:
    known = {str(workload): workload for workload in WORKLOADS}
    for name in names or ():
        if name not in known:
            raise ValueError(f"--workloads: '{name}' is none of {', '.join(known)} (rows a request / clients)")
    return WORKLOADS if names is None else tuple(known[name] for name in dict.fromkeys(names))


def is_full(plan: ComparisonPlan) -> bool:
    """May its results replace what docs/ holds?"""
    everything = tuple(plan.contenders) == CONTENDERS and tuple(plan.workloads) == WORKLOADS
    return everything and plan.rounds >= ROUNDS and plan.seconds >= SECONDS


def compare(plan: ComparisonPlan) -> tuple[list[PeerMeasurement], dict[str, str]]:
    """All loads, and the contenders that failed. Raises ValueError before any load if a generator or the model is missing."""
    if any(not door.is_grpc for c in plan.contenders for door in c.doors):
        program("wrk", "wrk")
    if any(door.is_grpc for c in plan.contenders for door in c.doors):
        program("h2load", "nghttp2-client")
    if any(c.product == OURS for c in plan.contenders):
        installed(FOLDER)
    config = load_server_config()
    with tempfile.TemporaryDirectory(prefix="adclick-compare-") as name:
        prepared = prepare(read_traffic(TRAFFIC_ROWS), [workload.rows for workload in plan.workloads], Path(name))
        return measure_rounds(plan, prepared, config, lambda text: print(f"compare: {text}", file=sys.stderr, flush=True))


def measure(plan: ComparisonPlan) -> list[Figure]:
    """The part of the benchmark: writes the page and the plot, returns the verdicts."""
    measured, failures = compare(plan)
    write_page(measured, plan.rounds, plan.seconds, datetime.now(UTC).date().isoformat())
    draw(measured)
    rows = verdicts(measured)
    if failures:
        raise PartFailed("; ".join(f"{name}: {reason}" for name, reason in failures.items()), rows)
    return rows


def main() -> int:
    plan = plan_of(parse(sys.argv[1:]))
    if is_full(plan):
        return min(1, run_parts({"compare": (lambda: measure(plan), "make compare")}, ["compare"], JSON_PATH, TABLE_PATH, ORDER))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that servers and loads are ended
    measured, failures = compare(plan)
    print(table(series_of(measured)))
    print("compare: a part of the comparison; docs/ is written by a full run only", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    run("compare", main)
