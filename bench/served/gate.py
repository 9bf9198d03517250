"""Is a model that is slower refused by `make gate`, and an equal one not: `make bench-gate`.

The champion is the newest export; the candidates are copies of it, one slowed until the server takes SLOWER more time for a
request of the gate's largest workload, one equal but for its digest. How much has to be added is found on running servers.
"""

import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

from bench.figures import Figure, at_most
from bench.parts import PartFailed
from bench.served.entry import say, served_main
from bench.served.slowed import copy_model
from lifecycle.gate.measuring.rounds import Workload
from lifecycle.gate.measuring.served import served
from lifecycle.gate.measuring.slices import measure
from lifecycle.gate.measuring.statistics import Growth, growth
from lifecycle.gate.models import GatedModel, read_candidate, read_champion
from lifecycle.gate.settings import load_gate_config
from loadtests.requests.traffic import traffic_of
from serving.server.settings import load_server_config
from stages.files import read_json

RUNS, SLOWER, WARM_S = 10, 0.15, 180.0
LAYERS, STEPS = 8, 3  # to begin with, and how often their number is corrected
ROUNDS = 2  # of servers, at each step
TRAFFIC_ROWS, TIMEOUT_S = 5000, 600.0
SHARED = ("data", "params.yaml", ".venv-serving", ".venv-load")


def measure_gate(overrides: Sequence[str] = ()) -> list[Figure]:
    """`overrides`: runs=3 for fewer runs of each kind, layers=9 for as many without measuring how many are needed."""
    given = {"runs": str(RUNS), **dict(one.split("=", 1) for one in overrides)}
    runs, project = int(given["runs"]), Path.cwd()
    with tempfile.TemporaryDirectory(prefix="adclick-bench-gate-") as name:
        folder = Path(name)
        make_world(project, folder)
        layers, slower = (int(given["layers"]), None) if "layers" in given else calibrated(project, folder)
        found = {
            "slowed": gate_runs(project, folder, "slowed", layers, runs),
            "equal": gate_runs(project, folder, "equal", 0, runs),
        }
    figures = figures_of(found, layers, slower)
    missed = [figure.what for figure in figures if figure.met is False]
    if missed:
        raise PartFailed("; ".join(f"missed: {what}" for what in missed), figures)
    return figures


def make_world(project: Path, folder: Path) -> None:
    """A project in `folder` whose champion is the newest export."""
    for name in SHARED:
        (folder / name).symlink_to(project / name)
    copy_model(project, folder / "champion/model", "champion")
    (folder / "artifacts").mkdir()


def make_candidate(project: Path, folder: Path, note: str, layers: int) -> None:
    copy_model(project, folder / "artifacts", note, layers)


def calibrated(project: Path, folder: Path) -> tuple[int, Growth]:
    """Layers with which a request takes SLOWER more time, and what was measured with them last."""
    layers, found = LAYERS, None
    for _ in range(STEPS):
        make_candidate(project, folder, "slowed", layers)
        found = slowdown(folder)
        say(f"with {layers} layers a request takes {found}")
        layers = max(1, round(layers * SLOWER / max(found.value, 0.01)))
    assert found is not None
    return layers, found


def slowdown(folder: Path) -> Growth:
    """By how much the candidate's requests of the largest workload take longer than the champion's."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        config, models = load_gate_config(), [read_candidate(), read_champion()]
        workload = max(config.workloads)
        rounds = [one_round(folder, [one for one in models if one is not None], workload) for _ in range(ROUNDS)]
    finally:
        os.chdir(before)
    return growth(rounds, SLOWER, config.error)


def one_round(folder: Path, models: list[GatedModel], workload: Workload) -> list[float]:
    with ExitStack() as stack:
        sides = [
            (stack.enter_context(served(model, load_server_config(), folder)), traffic_of(model.declaration, TRAFFIC_ROWS))
            for model in models
        ]
        return measure(load_gate_config(), workload, sides, random.Random(1)).ratios["request_time"]


def gate_runs(project: Path, folder: Path, kind: str, layers: int, runs: int) -> list[dict[str, Any]]:
    """What the gate wrote of each run, with the seconds of the whole command as `wall_s`."""
    found = []
    for run in range(runs):
        make_candidate(project, folder, f"{kind} {run}", layers)
        started = time.monotonic()
        done = subprocess.run(
            [str(project / ".venv-load/bin/python"), "-m", "lifecycle.gate"],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(project)},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        report = read_json(folder / "reports/gate.json") if done.returncode in (0, 1) else {}
        if report.get("candidate") != candidate_digest(folder):
            raise RuntimeError(f"the gate ended with code {done.returncode}: {done.stderr[-500:]}")
        found.append(report | {"wall_s": time.monotonic() - started})
        say(f"{kind} {run + 1}: {report['verdict']} after {found[-1]['wall_s']:.0f} s: {report['reasons'][0]}")
    return found


def candidate_digest(folder: Path) -> str:
    return read_candidate(folder).digest


def figures_of(found: dict[str, list[dict[str, Any]]], layers: int, slower: Growth | None) -> list[Figure]:
    refused = {kind: sum(not report["passes"] for report in reports) for kind, reports in found.items()}
    number, took = len(found["slowed"]), [report["wall_s"] for reports in found.values() for report in reports]
    text = (
        f"{layers} layers of computation added; measured with the step before: {slower}" if slower else f"{layers} layers added"
    )
    return [
        Figure(what=f"a model slowed by {SLOWER:.0%} (time of a request of the largest workload)", figure=text),
        Figure(
            what="`make gate` refuses the slowed model",
            figure=f"{refused['slowed']} of {number} runs; server CPU {growths_text(found['slowed'])}",
            bar=f"{number} of {number}",
            met=refused["slowed"] == number,
        ),
        Figure(
            what="`make gate` refuses an equal model",
            figure=f"{refused['equal']} of {number} runs; server CPU {growths_text(found['equal'])}",
            bar=f"0 of {number}",
            met=refused["equal"] == 0,
        ),
        at_most(
            "`make gate`, warm", max(took), WARM_S, f"{median(took):.0f} s ({max(took):.0f} s at most)", f"<= {WARM_S:.0f} s"
        ),
    ]


def growths_text(reports: list[dict[str, Any]]) -> str:
    """Range of the estimates and half-widths of the intervals of the largest workload's processor time."""
    shown = []
    for report in reports:
        checks = [check["figures"] for check in report["checks"] if check["figures"].get("figure") == "server_cpu"]
        if checks:
            shown.append(max(checks, key=lambda one: one["rows"]))
    if not shown:
        return "not measured"
    values, halves = [one["growth"] for one in shown], [(one["high"] - one["low"]) / 2 for one in shown]
    return f"{min(values):+.1%} to {max(values):+.1%}, intervals of +-{min(halves):.1%} to {max(halves):.1%}"


if __name__ == "__main__":
    if not Path("artifacts/export/manifest.json").is_file():
        sys.exit("bench-gate: error: artifacts/export holds no model; run `make repro` first")
    served_main("bench-gate", measure_gate)
