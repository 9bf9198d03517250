"""A load run up to the point where somebody sends: server ready, requests and right answers prepared in the run's folder."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import numpy as np
import polars as pl

from contracts.serving.route import NAME as ROUTE
from loadtests.requests.keys import read_keys
from loadtests.requests.prepare import prepare
from loadtests.requests.right_answers import Drawn, RightAnswers
from loadtests.requests.spoiled import used_columns
from loadtests.requests.traffic import TEST, read_traffic
from loadtests.routes.in_force import Experiment, experiment_on
from loadtests.settings import LoadConfig
from loadtests.users.plan import RunPlan, write_plan
from loadtests.users.target import ServerUnderLoad, server_config, target

RUNS = Path("reports/load")
PREDICTIONS, MANIFEST = Path("data/predictions/test.parquet"), Path("artifacts/export/manifest.json")
EQUAL = 1e-6  # of a probability


@dataclass(frozen=True, kw_only=True)
class PreparedRun:
    """A run that is ready to send."""

    folder: Path
    config: LoadConfig
    target: ServerUnderLoad
    plan: RunPlan
    experiment: Experiment | None = None  # None: the server has no challenger
    keys: tuple[str, ...] = ()  # whose requests are sent, where it has one
    route_file: Path | None = None  # that says who answers, if it lies here


@contextmanager
def prepared_run(config: LoadConfig) -> Iterator[PreparedRun]:
    """The run's own new folder, and the server, which is ended afterwards if it was started here. Raises ValueError."""
    with one_at_a_time():
        traffic = read_traffic(config.traffic_rows)
        used = used_columns(Path())
        server = server_config(config)
        folder = new_run_folder(config.shape)
        with target(server, traffic.spec.digest, folder / "server.log") as ready:
            how = "started here" if ready.started else "running already"
            print(f"load: server on {ready.http} (HTTP) and {ready.grpc} (gRPC), {how}", flush=True)
            route_file = Path(server.store) / ROUTE if is_ours(config) else None
            experiment = experiment_on(ready.metrics_url, route_file)
            if experiment is not None:
                print(f"load: two arms: {experiment}", flush=True)
            drawn, right = prepare(folder, config, traffic, used, ready.grpc, ready.model, experiment)
            compared = compare_with_evaluation(drawn, right, Path(server.store)) if is_ours(config) else ""
            print(f"load: {len(drawn)} requests with {len(right.probability):,} rows are prepared{compared}", flush=True)
            addresses = {"grpc": str(ready.grpc), "http": ready.http}
            challenger = None if experiment is None else experiment.challenger
            plan = RunPlan(config=config, **addresses, version=right.model_version, challenger=challenger)
            write_plan(folder, plan)
            keys = read_keys(folder)
            yield PreparedRun(
                folder=folder,
                config=config,
                target=ready,
                plan=plan,
                experiment=experiment,
                keys=() if keys is None else tuple(keys.keys),
                route_file=route_file,
            )


def new_run_folder(shape: str, runs: Path = RUNS) -> Path:
    """A folder that no run has had, made: its name is the time (UTC), so that those of a shape sort by when they began."""
    stamp = f"{datetime.now(UTC):%Y%m%d-%H%M%S}"
    for number in count(1):
        folder = runs / shape / (stamp if number == 1 else f"{stamp}-{number}")
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            continue
    raise AssertionError("count does not end")


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Raises ValueError if another load run of this project is under way."""
    RUNS.mkdir(parents=True, exist_ok=True)
    with (RUNS / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError("another load run is under way here; wait until it is done, or stop it") from None
        yield


def is_ours(config: LoadConfig) -> bool:
    """Is the server the one of params.yaml, which serves from this project's store."""
    return (config.host, config.http_port, config.grpc_port) == (None, None, None)


def compare_with_evaluation(drawn: list[Drawn], right: RightAnswers, store: Path) -> str:
    """Raises ValueError if the model that is served is the one that was evaluated and says something else.

    Returns what to say about it: nothing if it is another model, or was not evaluated here.
    """
    served = store / "ctr" / str(right.model_version) / MANIFEST.name
    if not PREDICTIONS.is_file() or not served.is_file() or served.read_bytes() != MANIFEST.read_bytes():
        return ""
    if PREDICTIONS.stat().st_mtime < max(path.stat().st_mtime for path in (TEST, MANIFEST)):
        return ""  # of the model before; `dvc repro` has not come to stage evaluate yet
    p_click_N = pl.read_parquet(PREDICTIONS)["p_click"].to_numpy()
    asked = np.concatenate([one.rows_N for one in drawn])
    same = np.concatenate([np.full(len(one.rows_N), not one.with_image) for one in drawn])  # as in the test split
    worst = float(np.abs(right.probability - p_click_N[asked])[same].max(initial=0.0))
    if worst > EQUAL:
        raise ValueError(
            f"the served model differs from {PREDICTIONS} by up to {worst:.2g} (allowed: {EQUAL:g}) although it is the "
            "exported one; run `make repro`, then `make deploy`"
        )
    return f"; their probabilities are those of stage evaluate (within {EQUAL:g})"
