"""A real server under traffic, and a controller that is killed at a hundred random moments."""

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

import polars as pl
import pytest
import tritonclient.grpc as triton
import yaml

from contracts.clock import simulated
from contracts.serving.route import Route, bucket
from lifecycle.rollout.control.files import read_decisions, read_rollouts
from lifecycle.rollout.rollout import Rollout
from serving.releases.store import Store
from serving.server.server import TritonServer
from serving.server.watch.follower import Follower
from tests.lifecycle.deploy.conftest import PROMOTE
from tests.lifecycle.deploy.deployed_world import served_as
from tests.serving.doors import grpc_inputs, packed, send_grpc
from tests.serving.served_world import REPOSITORY, VENV, exported_with, request_spec, server_config
from tests.stages.pipeline_world import CONF

ROOT = CONF.parent
KILLS = int(os.environ.get("ADCLICK_KILLS", "100"))
RATE = 86_400  # a day a second
KEYS = [f"user-{number}" for number in range(60)]
LAX = {"timeout_ms": 10_000, "max_p99_ms": 10_000, "max_slowdown": 1000.0}  # that a busy machine does not pass
LONGEST_S = 60.0  # a run of the controller that is not killed

pytestmark = [pytest.mark.slow, pytest.mark.triton]


@pytest.fixture
def server(tmp_path, exported, monkeypatch) -> Iterator[TritonServer]:
    """With releases 1, which is served, and 2, by a clock on which a day takes a second."""
    monkeypatch.setenv("ADCLICK_CLOCK", simulated(datetime(2027, 3, 1, tzinfo=UTC), RATE).variable())
    config = server_config(tmp_path)
    store = Store(Path(config.store))
    store.activate(store.release(exported / REPOSITORY))
    store.release(exported_with(exported, tmp_path / "second", metrics_interval_s=0.5))
    store.replace_route(None, Route(champion=1))
    with ExitStack() as stack:
        running = stack.enter_context(TritonServer(config, venv=VENV, log_path=tmp_path / "triton.log", routed=True))
        stack.enter_context(Follower(store, running.admin))
        yield running


@pytest.fixture
def project(tmp_path, monkeypatch, server) -> Path:
    """A project folder whose server this is; a promotion is a program of this test."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    named = ("http_port", "grpc_port", "metrics_port", "store", "secret_file")
    params["serving"]["server"] |= {name: getattr(server.config, name) for name in named}
    params["serving"]["routing"] |= LAX
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    (tmp_path / ".venv/bin").mkdir(parents=True)
    for name, text in (("python", PROMOTE), ("dvc", "#!/bin/sh\n")):
        (tmp_path / f".venv/bin/{name}").write_text(text)
        (tmp_path / f".venv/bin/{name}").chmod(0o755)
    (tmp_path / "champion/model/export").mkdir(parents=True)
    (tmp_path / "champion/model/export/manifest.json").write_text("the champion's")
    served_as(tmp_path, "0" * 64)
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Traffic(threading.Thread):
    """Asks for every key in turn, again and again; what each got, in order."""

    def __init__(self, url: str, rows: pl.DataFrame, spec) -> None:
        super().__init__(daemon=True)
        self._url, self._inputs = url, grpc_inputs(packed(rows[:1], spec))
        self.answers: list[tuple[str, int]] = []
        self.failures: list[str] = []
        self.over = threading.Event()

    def run(self) -> None:
        with triton.InferenceServerClient(self._url) as client:
            while not self.over.is_set():
                for key in KEYS:
                    reply = send_grpc(client, self._inputs, "ctr", routing_key=key)
                    if reply.code == "OK":
                        self.answers.append((key, int(reply.version[0])))
                    else:
                        self.failures.append(reply.error)


@contextmanager
def asked_all_the_time(server, exported, exported_rows) -> Iterator[Traffic]:
    traffic = Traffic(server.grpc_url, exported_rows, request_spec(exported))
    traffic.start()
    try:
        yield traffic
    finally:
        traffic.over.set()
        traffic.join(30)


def run_and_kill(project: Path, number: int, challenger: int, verdict: str, after_s: float) -> bool:
    """The controller, killed so long after it is ready; False if it ended by itself before."""
    command = [sys.executable, "-m", "tests.lifecycle.rollout.control.told_controller", str(number), str(challenger), verdict]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with (project / "controller.log").open("a") as log:
        process = subprocess.Popen(command, cwd=project, env=environment, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        assert process.stdout is not None
        while (line := process.stdout.readline()) and line.strip() != "ready":
            pass
        process.wait(timeout=after_s)
    except subprocess.TimeoutExpired:
        process.kill()
        return True
    finally:
        process.wait()
        process.stdout.close()
    assert process.returncode in (0,), (project / "controller.log").read_text()[-3000:]
    return False


def arms_of(answers: list[tuple[str, int]]) -> dict[str, list[int]]:
    """By key, who answered, one after another, without repetitions."""
    return {key: [version for version, _ in groupby(version for name, version in answers if name == key)] for key in KEYS}


def check(rollout: Rollout, verdict: str, answers: list[tuple[str, int]]) -> None:
    """No key has changed its arm but by the route: to the challenger once, and back if the rollout went back."""
    champion, challenger = rollout.champion, rollout.challenger
    for key, found in arms_of(answers).items():
        is_tried = bucket(rollout.salt, key.encode()) < 500_000
        if verdict == "promote":
            assert found == [champion, challenger], (rollout.name, key, found)
        else:
            assert found == ([champion, challenger, champion] if is_tried else [champion]), (rollout.name, key, found)


def test_killed_at_a_hundred_random_moments_it_comes_to_the_same_verdict(server, project, exported, exported_rows):
    store, kills, number, luck = Store(Path(server.config.store)), 0, 0, random.Random(7)
    with asked_all_the_time(server, exported, exported_rows) as traffic:
        while kills < KILLS:
            number, verdict = number + 1, luck.choice(["promote", "back"])
            champion = store.active()
            challenger = 3 - champion
            time.sleep(1.0)  # what the rollout before has left is answered
            start = len(traffic.answers)
            while run_and_kill(project, number, challenger, verdict, luck.uniform(0, 2.5) if kills < KILLS else LONGEST_S):
                kills += 1
            time.sleep(1.0)
            rollout = read_rollouts(project / "rollouts")[-1]
            actions = [one.action for one in read_decisions(rollout.folder(project / "rollouts")) if one.action != "hold"]
            assert actions == ["begin", "step", "step", verdict], actions
            assert rollout.outcome == {"promote": "promoted", "back": "back"}[verdict]
            assert store.route() == Route(champion=challenger if verdict == "promote" else champion)
            check(rollout, verdict, traffic.answers[start:])
    assert kills >= KILLS and number >= KILLS / 10 and len(read_rollouts(project / "rollouts")) == number
    assert traffic.failures == []
    print(f"{kills} kills in {number} rollouts, {len(traffic.answers):,} answers")
