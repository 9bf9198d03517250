"""What cells with several values cost the served model: `make bench-lists`.

The exchange whose users are after something, and three models of its rows: one that sees no history and no tags, and two
that see five tags and twenty ads clicked before, as their mean (`dcnv2`) and weighed by the ad that is shown (`din`). Each has a
Triton of its own; they are measured in turn.
"""

import shutil
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import yaml
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as checked

from bench.figures import Compared, Figure, spread
from bench.parts import all_met
from bench.served.capacity import NAMES
from bench.served.entry import say, served_main
from bench.served.speed import rate, run_once
from bench.workspace import Workspace, workspace
from contracts.serving.releases import EXPORTED
from loadtests.limits.settings import Protocol
from loadtests.perf_analyzer.analyzer import PerfAnalyzer
from loadtests.perf_analyzer.input import requests_of
from loadtests.perf_analyzer.settings import PerfConfig, load_perf_settings
from loadtests.perf_analyzer.target import analyzers, target_of
from loadtests.requests.traffic import TrafficRows, read_traffic
from serving.server.settings import load_server_config
from serving.server.trial import trial_server

LISTS = ("interests", "last_creatives")  # a set of 5 and a sequence of 20
WORLD = ["data=simulated_histories", "exchange=histories", "train.max_epochs=1", "export.batch_sizes=[16]"]
BASE = "dcnv2 without lists"
MODELS = {BASE: ("dcnv2", ()), "dcnv2 with their means": ("dcnv2", LISTS), "din": ("din", LISTS)}  # network, lists it sees


@checked(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class ListsLimits:
    rate_ratio: float = Field(gt=0)


@checked(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class BenchListsConfig(PerfConfig):
    """The meaning of each key stands in conf/loadtest/bench/bench_lists.yaml."""

    rows_per_month: int = Field(ge=10_000)
    rows: int = Field(ge=1)
    clients: int = Field(ge=1)
    protocols: tuple[Protocol, ...] = Field(min_length=1)
    seconds: float = Field(gt=0)
    warmup_s: float = Field(ge=0)
    pairs: int = Field(ge=1)
    limits: ListsLimits


@dataclass(frozen=True, kw_only=True)
class ListsModel:
    """A model that can be served, and rows to ask it for."""

    repository: Path
    traffic: TrafficRows


def measure(overrides: Sequence[str] = ()) -> list[Figure]:
    config = load_perf_settings("bench_lists", BenchListsConfig, overrides)
    with tempfile.TemporaryDirectory(prefix="adclick-lists-") as folder, ExitStack() as stack:
        models = trained_models(config, Path(folder))
        server_config = load_server_config()
        sides: dict[str, dict[str, PerfAnalyzer]] = {}
        for name, model in models.items():
            server = stack.enter_context(trial_server(model.repository, server_config))
            requests = requests_of(model.traffic, config.rows, config.distinct)
            sides[name] = analyzers(target_of(server), requests, config.protocols, config.tolerance)
        return all_met([row for protocol in config.protocols for row in figures(protocol, sides, config)])


def trained_models(config: BenchListsConfig, folder: Path) -> dict[str, ListsModel]:
    """The models, trained for an epoch on the same rows."""
    world = [*WORLD, f"exchange.impressions_per_month={config.rows_per_month}"]
    found = {}
    with workspace([*world, "model=din"]) as space:
        space.stages("acquire", "validate", "split")
        for name, (network, lists) in MODELS.items():
            space.compose([*world, f"model={network}"])
            keep_lists(space.root, lists)
            space.remove("artifacts", ".checkpoints", "data/encoded")
            space.stages("inherit", "fit", "encode", "train", "export")
            found[name] = kept(space, folder / network / str(len(lists)), config.traffic_rows)
    return found


def keep_lists(root: Path, lists: Sequence[str]) -> None:
    """Have the declaration of later stages without the other columns of several values; selection drops none of these."""
    path = root / "params.yaml"
    params = yaml.safe_load(path.read_text())
    columns = params["data"]["columns"]
    params["data"]["columns"] = [
        column | ({"keep": True} if column["name"] in lists else {})
        for column in columns
        if column["role"] not in ("set", "sequence") or column["name"] in lists
    ]
    path.write_text(yaml.safe_dump(params, sort_keys=False, allow_unicode=True))


def kept(space: Workspace, folder: Path, traffic_rows: int) -> ListsModel:
    shutil.copytree(space.root / EXPORTED, folder)
    return ListsModel(repository=folder, traffic=read_traffic(traffic_rows, space.root))


def figures(protocol: Protocol, sides: dict[str, dict[str, PerfAnalyzer]], config: BenchListsConfig) -> list[Figure]:
    """A row for each model."""
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(config.pairs):
        for name, side in sides.items():
            rates[name].append(rate(run_once(side[protocol], config.clients, config)))
    found = []
    for name, measured in rates.items():
        what = f"served over {NAMES[protocol]}, rows a request / clients: {config.rows} / {config.clients}, {name}"
        text = spread(measured, "rows/s")
        say(f"{what}: {text}")
        if name == BASE:
            found.append(Figure(what=what, figure=text))
            continue
        compared = Compared(ours=tuple(measured), theirs=tuple(rates[BASE]))
        bar, met = config.limits.rate_ratio, median(compared.ratios) >= config.limits.rate_ratio
        found.append(Figure(what=what, figure=f"{compared.shown(2)} of those without; {text}", bar=f">= {bar:g}x", met=met))
    return found


if __name__ == "__main__":
    served_main("bench-lists", measure, needs_export=False)
