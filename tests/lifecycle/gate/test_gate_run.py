"""`make gate` on real servers: what passes, what is refused and why, and what is left when it is ended."""

import json
import os
import shutil
import signal
import time
from pathlib import Path

import polars as pl
import pytest

from bench.served.slowed import copy_model
from tests.lifecycle.gate.gated_world import begin_gate, gate_project, run_gate, servers_of
from tests.serving.served_world import replace_file
from tests.stages.declared_worlds import columns_of, write_declared
from tests.stages.exported_world import export_small_model
from tests.stages.pipeline_world import declaration

pytestmark = [pytest.mark.triton, pytest.mark.load]
ENDS_S = 20.0


def report(folder: Path) -> dict:
    return json.loads((folder / "reports/gate.json").read_text())


def test_an_equal_candidate_passes_with_all_figures(exported, tmp_path):
    folder = gate_project(exported, tmp_path)
    code, said = run_gate(folder)
    assert code == 0, said
    found = report(folder)
    assert (found["verdict"], found["passes"], found["server"]["triton"]) == ("passed", True, "2.51.0")
    assert found["candidate"] != found["champion"] and len(found["server"]["backend"]) == 64
    names = [check["name"] for check in found["checks"]]
    assert names[:3] == ["contract", "golden requests", "parity"] and names[-2:] == ["training time", "training memory"]
    assert {"request time, 1 row / 1 client", "p99, 8 rows / 2 clients", "load time", "memory after traffic"} < {*names}
    assert found["checks"][2]["figures"]["difference"] == {"grpc": pytest.approx(0, abs=1e-6), "http": pytest.approx(0, abs=1e-6)}
    assert found["reasons"][0] in (folder / "reports/gate.html").read_text() and found["reasons"][0] in said
    assert servers_of(folder) == []


@pytest.fixture(scope="module")
def exported_before(tmp_path_factory):
    """A small model of a declaration without the nullable column `age`."""
    data, folder = declaration(columns=columns_of("site", "user", "ad", "view")), tmp_path_factory.mktemp("before")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        export_small_model(folder, data, write_declared(data))
    return folder


def test_requests_for_a_champion_without_a_new_column_are_answered(exported, exported_before, tmp_path):
    folder = gate_project(exported, tmp_path)
    copy_model(exported_before, folder / "champion/model", "before")
    code, said = run_gate(folder)
    found = report(folder)
    assert [check["passed"] for check in found["checks"][:3]] == [True] * 3, said
    assert "rows as the champion takes them are answered, without the new columns age, by name as well" in said
    assert code == 0 or "gate.limits" in found["reasons"][0]  # it also computes more than the one before


def test_a_candidate_that_needs_what_the_champions_clients_do_not_send_is_refused(exported, exported_as, tmp_path):
    folder = gate_project(exported, tmp_path)
    copy_model(exported_as("strings"), folder / "champion/model", "strings")
    code, said = run_gate(folder)
    assert (
        code == 1 and "refused: contract: column 'ad' is new and not nullable, so that requests written for the champion" in said
    )
    assert [check["name"] for check in report(folder)["checks"]] == ["contract"] and servers_of(folder) == []


def test_a_candidate_that_computes_much_more_is_refused_with_the_figure(exported, tmp_path):
    folder = gate_project(exported, tmp_path)
    copy_model(exported, folder / "artifacts", "slow", layers=150)
    code, said = run_gate(folder)
    assert code == 1 and "gate: error: the candidate is refused: " in said
    found = report(folder)
    failed = [check for check in found["checks"] if not check["passed"]]
    assert "server CPU, 8 rows / 2 clients" in {check["name"] for check in failed}
    assert all(check["figures"]["low"] > check["limit"] for check in failed)
    assert next(check for check in found["checks"] if check["name"] == "parity")["passed"]


def test_without_a_champion_it_says_what_it_can_of_the_candidate(exported, tmp_path):
    folder = gate_project(exported, tmp_path, champion=False)
    code, said = run_gate(folder)
    assert code == 0 and "first model: nothing to compare with" in said
    found = report(folder)
    assert found["champion"] is None and [check["name"] for check in found["checks"]][3:] == [
        "load time", "memory after loading", "memory after traffic", "training time", "training memory",
    ]  # fmt: skip
    assert found["checks"][4]["figures"]["candidate"] > 50


def test_probabilities_other_than_those_evaluated_are_refused(exported, tmp_path):
    folder = gate_project(exported, tmp_path, champion=False)
    path = folder / "data/predictions/test.parquet"
    pl.read_parquet(path).with_columns(pl.col("p_click") * 0.999).write_parquet(path)
    code, said = run_gate(folder)
    assert code == 1 and "refused: parity: served probabilities differ by up to " in said
    assert "1.0e-06 is allowed (gate.max_difference)" in report(folder)["reasons"][0]


def test_a_champion_that_does_not_load_is_named_and_nothing_is_left(exported, tmp_path):
    folder = gate_project(exported, tmp_path)
    replace_file(folder / "champion/model/repository/embedded/ctr/1", "ctr_packed.onnx", b"no graph")
    code, said = run_gate(folder)
    assert code == 1 and "the candidate is refused: the champion does not load on this server: Triton ended" in said
    assert report(folder)["checks"][-1]["name"] == "load"
    assert servers_of(folder) == []


def test_a_gate_that_is_ended_leaves_no_server_and_no_half_report(exported, tmp_path):
    folder = gate_project(exported, tmp_path, pairs=5000)  # it would go on for minutes
    for end, code in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130), (signal.SIGTERM, 143)):
        first = begin_gate(folder)
        assert first.stdout is not None
        try:
            while "ready after" not in (line := first.stdout.readline()):
                assert line, "it ended before its servers were ready"
            if end == signal.SIGINT:
                second_code, said = run_gate(folder)
                assert second_code == 1 and f"another gate is running here (process {first.pid}); wait for it" in said
            first.send_signal(end)
            first.communicate(timeout=ENDS_S)
        finally:
            first.kill()
        assert first.returncode == code
        deadline = time.monotonic() + ENDS_S
        while servers_of(folder) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert servers_of(folder) == []
        assert not list((folder / "reports").glob("*")) if (folder / "reports").is_dir() else True
    left = {path.name for path in (folder / ".checkpoints/gate").iterdir()}
    assert not any(name.startswith("adclick-") for name in left)  # what the killed one left, the next has removed


@pytest.mark.slow
@pytest.mark.alone
def test_a_slowed_model_is_always_refused_and_an_equal_one_never(exported, tmp_path):
    """On the small model, whose request is mostly the server's own work: 150 layers more are a slow-down of a third or more."""
    outcomes: dict[str, list[int]] = {"slowed": [], "equal": []}
    folder = gate_project(exported, tmp_path, pairs=120, rounds=[3, 4, 6], slice_s=0.02)
    for run in range(10):
        for kind, layers in (("slowed", 150), ("equal", 0)):
            shutil.rmtree(folder / "artifacts")
            copy_model(exported, folder / "artifacts", f"{kind} {run}", layers)
            outcomes[kind].append(run_gate(folder)[0])
    assert outcomes == {"slowed": [1] * 10, "equal": [0] * 10}


def test_a_server_that_dies_under_load_is_a_refusal_and_leaves_nothing(exported, tmp_path):
    folder = gate_project(exported, tmp_path, pairs=5000)
    running = begin_gate(folder)
    assert running.stdout is not None
    while "ready after" not in (line := running.stdout.readline()):
        assert line, "it ended before its servers were ready"
    assert running.stdout.readline()  # what it says of the contract; then come the pairs
    time.sleep(1)
    os.kill(servers_of(folder)[0], signal.SIGKILL)
    said, _ = running.communicate(timeout=ENDS_S)
    assert running.returncode == 1 and "Traceback" not in said, said
    assert "under load a request was not answered rightly" in said.splitlines()[-1]
    assert not report(folder)["passes"] and servers_of(folder) == []
