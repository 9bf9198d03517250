"""`python -m lifecycle.live` against real Triton with a small model of the exchange: killed, gone on with, stopped."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

from contracts.clock import CLOCK
from serving.releases.store import Store
from serving.server.ports import free_ports
from stages.simulate.config import ExchangeConfig
from stages.simulate.write import write_month
from tests.made_once import made_once
from tests.serving.served_world import REPOSITORY, wait_for
from tests.stages.exported_world import export_small_model
from tests.stages.pipeline_world import CONF, composed
from tests.stages.test_simulate_month import small_exchange

ROOT = CONF.parent
MONTH, K, PAGES = "2026-07", 3, 120
LONGEST_S = 300
JOURNAL = f"after_day=[[{sys.executable}, -m, lifecycle.journal, --folder, '{{journal}}']]"
SETTINGS = [JOURNAL, f"candidates={K}", f"pages_per_month={PAGES}", "start_s=3", "labels.days_after=1"]


def exchange() -> ExchangeConfig:
    return small_exchange(months=["2026-05", "2026-06"], impressions_per_month=600, dirty_frac=0.0)


@pytest.fixture(scope="module")
def exchange_model(tmp_path_factory) -> Path:
    """A project folder with an untrained model of the simulated exchange."""
    source = {"kind": "files", "path": "source", "files": ["*/impressions.csv"]}
    images = {"files": "*/creatives/*.png", "missing": "allow"}
    data = composed()["data"] | {"source": source, "images": images}

    def write(folder: Path, month: int, num_rows: int) -> None:
        write_month(exchange(), ("2026-05", "2026-06")[month - 1], folder, folder.with_name("truth"))

    return made_once(tmp_path_factory, "exchange_model", lambda folder: export_small_model(folder, data, write))


@pytest.fixture
def live_project(exchange_model, project) -> Path:
    """A project in which this model is released, and an exchange whose next month is July."""
    for name in ("contracts", "lifecycle", "serving", "stages", ".venv", ".venv-serving"):
        (project / name).symlink_to(ROOT / name)
    (project / "data/split").mkdir(parents=True)
    (project / "data/split/train.parquet").symlink_to(exchange_model / "data/split/train.parquet")
    params = composed()
    params["exchange"] = {key: getattr(exchange(), key) for key in params["exchange"]}
    (project / "params.yaml").write_text(yaml.safe_dump(params))
    store = Store(project / "models")
    store.activate(store.release(exchange_model / REPOSITORY))
    return project


def started(folder: Path, *more: str, clock: str | None = None) -> subprocess.Popen:
    command = [sys.executable, "-m", "lifecycle.live", *SETTINGS, *more]
    environment = {name: value for name, value in os.environ.items() if name != CLOCK} | ({} if clock is None else {CLOCK: clock})
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # a background job's would be ignored
    )  # fmt: skip


def ended(process: subprocess.Popen) -> tuple[int, str, str]:
    try:
        out, err = process.communicate(timeout=LONGEST_S)
    finally:
        process.kill()
    return process.returncode, out, err


def num_played(folder: Path) -> int:
    return len([*(folder / "live/played").glob("*.parquet")])


def killed_after(folder: Path, days: int, number: signal.Signals, *more: str) -> tuple[int, str, str]:
    """A play that is sent the signal once so many more days are played."""
    process, before = started(folder, *more), num_played(folder)
    wait_for(lambda: num_played(folder) >= before + days or process.poll() is not None, LONGEST_S, "days are played")
    process.send_signal(number)
    return ended(process)


@pytest.mark.triton
def test_a_month_is_played_on_a_server_of_its_own_through_a_kill(live_project):
    code, out, _ = killed_after(live_project, 3, signal.SIGKILL, "month_minutes=0.4")  # 1.25 days a second
    assert code == -signal.SIGKILL and "live: ready, model ctr version 1 at 127.0.0.1:" in out and num_played(live_project) < 31
    code, out, err = ended(started(live_project, "month_minutes=0.1"))
    assert code == 0, err
    assert out.splitlines()[-1] == "live: done; events in live/feedback/, the months' files in live/months/"
    assert_played(live_project / "live")
    code, out, err = ended(started(live_project))
    assert (code, err, out.count("\n")) == (0, "", 1) and f"live: {MONTH} is played already; events in live/feedback/" in out
    code, out, err = ended(started(live_project, "policy=top1_of_k"))
    assert code == 1 and err.startswith("live: error: live/ was played with other settings")


@pytest.mark.slow
@pytest.mark.triton
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_play_that_is_stopped_ends_in_order_and_goes_on(live_project, number):
    code, out, err = killed_after(live_project, 3, number, "month_minutes=0.4")
    assert (code, err) == (130, "live: stopped\n") and f"live: {MONTH}-02  " in out
    code, out, err = ended(started(live_project, "month_minutes=0.1"))
    assert code == 0, err
    assert_played(live_project / "live")


@pytest.mark.slow
@pytest.mark.triton
def test_a_server_that_runs_with_the_same_clock_is_played_against_and_one_with_another_is_not(live_project):
    """As docs/live.md says it: a clock is printed, the server is started with it, and the play beside it."""
    asked = ended(started(live_project, "month_minutes=0.2", "--clock"))
    assert asked[0] == 0 and asked[1].count(" ") == 2
    with a_server(live_project, asked[1].strip()) as url:
        at_it = ["month_minutes=0.2", "--url", url, "--journal", "journal"]
        code, _, err = ended(started(live_project, *at_it, clock="1785000000000000000 1785000000000000000 7"))
        assert code == 1 and "live: error: the clock has passed the next page view" in err
        code, _, err = ended(started(live_project, *at_it))
        assert code == 1 and "live: error: a server that runs needs the clock of this play" in err
        start_ns, from_ns, rate = map(int, asked[1].split())
        ahead = f"{start_ns} {from_ns - 20 * 10**9} {rate}"
        code, _, err = ended(started(live_project, *at_it, clock=ahead))
        assert code == 1 and "live: error: the server has another clock, it is 2026-" in err
        code, out, err = ended(started(live_project, *at_it, clock=asked[1].strip()))
        assert code == 0, err
    assert "live: done;" in out and not (live_project / "live/journal").exists()


@contextmanager
def a_server(folder: Path, clock: str) -> Iterator[str]:
    """`make serve` with that clock and a journal."""
    ports = free_ports(3)
    names = (f"--{name}-port={port}" for name, port in zip(("http", "grpc", "metrics"), ports, strict=True))
    command = [sys.executable, "-m", "serving.server", "--journal", "journal", *names]
    process = subprocess.Popen(command, cwd=folder, env=os.environ | {CLOCK: clock}, stdout=subprocess.PIPE, text=True)
    try:
        assert any("serve: ready" in line for line in iter(process.stdout.readline, ""))
        yield f"127.0.0.1:{ports[1]}"
    finally:
        process.terminate()
        process.communicate()


def assert_played(live: Path) -> None:
    """All that was asked is in the journal once, as the page views have it; what is told of it fits."""
    pages = pl.read_parquet(live / "pages" / MONTH / "pages.parquet").with_columns(key=pl.col("impression_id").cast(pl.String))
    served = pl.concat(
        [pl.read_parquet(path, hive_partitioning=False) for path in (live / "journal/served").rglob("*.parquet")], how="diagonal"
    )
    assert len(served) == PAGES * K == served["key"].n_unique()  # none was asked twice, whatever was killed
    both = served.join(pages, on="key", suffix="_page")
    assert len(both) == PAGES * K
    for name in ("user_id", "hour", "creative_id", "frequency", "position"):
        assert both[name].equals(both[f"{name}_page"].cast(both.schema[name])), name
    assert np.allclose(both["floor_price"], both["floor_price_page"], rtol=1e-6)  # the journal has float32
    assert both["event_at"].dt.epoch("ms").equals(both["timestamp"].dt.epoch("ms"))
    assert (both["answered_at"] >= both["event_at"]).all()
    new = ~both["creative_id"].is_in(pl.read_parquet("data/split/train.parquet")["creative_id"].to_list())
    has_image = {path.stem for path in (live / "pages" / MONTH / "creatives").iterdir()}
    sent = both["image_sha256"].is_not_null()
    assert sent.equals(new & both["creative_id"].is_in(has_image)) and sent.any() and not sent.all()
    played = pl.concat([pl.read_parquet(path) for path in sorted((live / "played").glob("*.parquet"))])
    assert len(played.join(served, on=["prediction_id", "row", "key", "probability"])) == PAGES * K
    lines = [json.loads(line) for path in (live / "feedback").glob("*.jsonl") for line in path.read_text().splitlines()]
    ids = {(row["prediction_id"], row["row"], row["key"]) for row in served.iter_rows(named=True)}
    assert {(line["prediction_id"], line["row"], line["key"]) for line in lines if line["kind"] != "heartbeat"} <= ids
    assert sum(line["kind"] == "heartbeat" for line in lines) == 32
    month = pl.read_csv(live / "months" / MONTH / "impressions.csv")
    assert len(month) == PAGES * K and month["clicked"].sum() == (pages["luck"] < pages["p_true"]).sum()
