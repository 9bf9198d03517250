"""The load command as a user runs it: server started, load, judgement, page, nothing left."""

import glob
import json
import signal
import socket
from pathlib import Path

import numpy as np
import pytest

from loadtests.requests.prepared_request import KINDS
from loadtests.verdicts.samples import OUTCOMES, read_samples
from tests.loadtests.load_world import begin, keep_journal, left_over, load, load_project
from tests.serving.served_world import wait_for

MANIPULATED = ("-m", "tests.loadtests.manipulated_run")


@pytest.fixture
def world(exported, tmp_path) -> Path:
    """A project folder to be put under load."""
    before = {*glob.glob("/dev/shm/adclick-*")}
    yield load_project(exported, tmp_path)
    assert left_over(tmp_path) == []
    http_port = tmp_path.joinpath("params.yaml").read_text().partition("http_port: ")[2].split()[0]
    assert not [path for path in {*glob.glob("/dev/shm/adclick-*")} - before if f"-{http_port}-" in path]


def newest(folder: Path, shape: str) -> Path:
    """The folder of the last run."""
    return max((folder / "reports/load" / shape).iterdir())


def summary(folder: Path, shape: str) -> dict:
    return json.loads((newest(folder, shape) / "summary.json").read_text())


@pytest.mark.triton
@pytest.mark.load
def test_the_smoke_shape_keeps_its_thresholds(world):
    ended = load(world, "smoke", "seconds=3")
    assert ended.code == 0, ended.said
    assert "started here" in ended.said and "all 5 thresholds are kept" in ended.said
    told = summary(world, "smoke")
    assert told["completed"] and all(check["met"] for check in told["thresholds"])
    assert [*told["model_versions"]] == ["1"]
    samples = read_samples(newest(world, "smoke"))
    assert told["counts"] == {name: int((samples["outcome"] == i).sum()) for i, name in enumerate(OUTCOMES)}
    assert {KINDS[kind] for kind in samples["kind"]} == {*KINDS} and {*samples["rows"].tolist()} >= {1, 8, 16, 64}
    assert told["counts"]["refused"] == samples["malformed"].sum() > 0
    assert (samples["done_s"] >= samples["sent_s"]).all() and (samples["sent_s"] == samples["intended_s"]).all()
    assert (world / "reports/load.html").stat().st_size > 10_000
    assert (newest(world, "smoke") / "report.html").read_bytes() == (world / "reports/load.html").read_bytes()


@pytest.mark.triton
@pytest.mark.load
def test_with_a_journal_all_that_was_received_is_in_it(world):
    keep_journal(world)
    ended = load(world, "smoke", "seconds=2")
    assert ended.code == 0, ended.said
    checks = {check["name"]: check for check in summary(world, "smoke")["thresholds"]}
    received, written = (int(text.split()[0].replace(",", "")) for text in checks["journal_missing"]["reason"].split(", ")[:2])
    assert written >= received > 50 and checks["journal_lost"]["measured"] == checks["journal_missing"]["measured"] == 0
    assert "all 7 thresholds are kept" in ended.said
    assert not (world / "users").exists() and [*world.rglob("*.segment")] == []  # a load's answers are none of users'


@pytest.mark.triton
@pytest.mark.load
def test_a_missed_threshold_is_named_and_the_samples_of_all_processes_count(world):
    wanted = ("seconds=4", "rate=60", "arrivals=constant", "processes=2", "warmup_s=1", "malformed_share=0")
    ended = load(world, "open", *wanted, "thresholds={p50_ms: 0.001, p95_ms: null, p99_ms: null}")
    assert ended.code == 1, ended.said
    line = next(line for line in ended.said.splitlines() if line.startswith("load: p50_ms"))
    assert "at most 0.001: MISSED" in line
    assert "load: MISSED p50_ms; page: reports/load.html" in ended.said
    folder = newest(world, "open")
    parts = [np.load(folder / f"samples-{i}.npy") for i in (0, 1)]
    for part in parts:  # constant gaps of a process, from when requests were due
        assert np.allclose(np.diff(np.sort(part["intended_s"])), 2 / 60, atol=1e-6) and len(part) == 150
    told = summary(world, "open")
    start_s, end_s = (told["window"][name] for name in ("start_s", "end_s"))
    num_due = sum(int(((part["intended_s"] >= start_s) & (part["intended_s"] < end_s)).sum()) for part in parts)
    assert len(read_samples(folder)) == told["counts"]["ok"] == num_due
    assert 60 * (end_s - start_s) - 2 <= num_due <= 240  # processes begin a moment after one another
    assert f"({num_due} answered requests)" in line


@pytest.mark.triton
@pytest.mark.load
def test_wrong_answers_and_answered_malformed_requests_are_found_out(world):
    ended = load(
        world, "smoke", "seconds=3", "warmup_s=0.5", "malformed_share=0.2", "thresholds.p99_ms=null", program=MANIPULATED
    )
    assert ended.code == 1, ended.said
    counts = summary(world, "smoke")["counts"]
    assert counts["ok"] == counts["refused"] == 0 and counts["wrong"] > 10 and counts["answered_malformed"] > 10
    assert "load: MISSED rows_per_s, error_share, refused_share; page" in ended.said
    assert "times grpc: probabilities differ from those before the load by more than the tolerance" in ended.said


@pytest.mark.triton
@pytest.mark.load
def test_ctrl_c_says_what_was_measured_and_leaves_nothing(world):
    process = begin(world, "smoke", "seconds=60", "processes=2", "warmup_s=0.5")
    parts = world / "reports/load/smoke"
    wait_for(lambda: sum(path.stat().st_size for path in parts.glob("*/*.part")) > 20_000, 40, "samples")
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=40)
    assert process.returncode == 130, said
    assert "cut short; what was measured in" in said and "answered requests" in said and said.endswith("load: stopped\n")
    assert not summary(world, "smoke")["completed"] and "thresholds are kept" not in said


@pytest.mark.load
def test_a_port_that_is_taken_by_something_else_is_said_in_one_sentence(world):
    port = int(world.joinpath("params.yaml").read_text().partition("grpc_port: ")[2].split()[0])
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen(1)
        ended = load(world, "smoke")
    assert ended.code == 1
    assert ended.said.splitlines()[1:] == [
        f"load: error: port {port} (grpc) is in use on 127.0.0.1; stop what listens there, or set serving.server.grpc_port"
    ]


@pytest.mark.load
def test_where_there_is_no_model_one_sentence_says_so(tmp_path):
    ended = load(tmp_path, "smoke")
    assert ended.code == 1
    sentence = "artifacts/export/declaration.json is missing; run `make repro` first: load tests send the rows of the test split"
    assert ended.said.splitlines()[1:] == [f"load: error: {sentence}"]


@pytest.mark.load
def test_an_unknown_shape_is_answered_with_those_there_are(tmp_path):
    ended = load(tmp_path, "smok")
    assert ended.code == 1 and ended.said.count("\n") == 1
    assert "there is no shape 'smok' in conf/loadtest/; there are burst, open, overload, smoke, steady, steps" in ended.said
