"""A training from its beginning to the rollout, with real processes; what may go wrong on the way."""

import fcntl
import json
import os
import signal
import subprocess

import pytest

from lifecycle.retrain.launch import is_running, launch
from lifecycle.retrain.training.order import Order
from lifecycle.rollout.control.files import Remembered, write_state
from lifecycle.rollout.rollout import Rollout
from lifecycle.sessions import members
from serving.releases.store import Store
from tests.lifecycle.killed_program import killed_after
from tests.lifecycle.retrain.retrain_world import EXPORTS, command, contents, until
from tests.lifecycle.rollout.statistics.simulated_pairs import settings as rollout_settings
from tests.project.imports import ROOT

BURN_S = 0.4
GRANDCHILD = "subprocess.Popen([sys.executable, '-c', BURN.format(seconds={seconds})], start_new_session=False)\n"


def process(folder, name):
    return json.loads((folder / "retraining" / name / ".training/process.json").read_bytes())["pid"]


def test_a_training_is_begun_harvested_and_handed_to_the_rollout(project, folder):
    before = contents(folder)
    project.pipeline(f"subprocess.run([sys.executable, '-c', BURN.format(seconds={BURN_S})])\n" + EXPORTS)
    before["stages/repro.py"] = (folder / "stages/repro.py").read_bytes()
    said = project.look("to see it")
    name = project.trainings()[0].name
    assert said == f"{name} begins (asked): to see it"
    project.ended()
    assert project.look() == f"release 3 of {name} is being tried"
    (training,) = project.trainings()
    assert training.ended is not None and training.handed is not None
    assert (training.ended.outcome, training.ended.model) == ("trained", "model-3")
    assert BURN_S <= training.ended.core_s <= 60 and training.ended.data_until_ns == 1_790_812_800 * 10**9
    assert (training.handed.to, training.handed.release) == ("rollout", 3)
    assert project.asked() == [
        f"lifecycle.deploy --beside --from retraining/{name}",
        " ".join(["lifecycle.rollout begin 3", *project.settings]),
    ]
    assert contents(folder) == before  # neither the working tree nor its environments
    kept = folder / "retraining" / name
    assert (kept / "artifacts/repository/embedded/ctr/1/package.json").is_file() and not (kept / "data").exists()
    assert (kept / "settled.txt").exists() is False and Store(folder / "models").active() == 1
    assert project.look("again") == "the rollout 2026-10-01-3-abcd of release 3 is under way".join(["asked, but ", ""])
    assert project.look() == f"no training is due; {name}: rollout"


def test_rows_of_the_folder_are_neither_those_of_the_project_nor_ignored_ones(project, folder):
    subprocess.run(["git", "init", "-q", "."], check=True)
    (folder / ".gitignore").write_text("/data/raw\n/models/\n/retraining/\n/monitor/\n.venv*\n/.dvc/config.local\n")
    (folder / "conf/new.yaml").write_text("b: 2\n")
    project.pipeline("time.sleep(600)\n")
    project.look("x")
    copy = folder / "retraining" / project.trainings()[0].name
    assert (copy / "conf/new.yaml").read_text() == "b: 2\n" and (copy / ".venv").is_symlink()
    assert not (copy / "data/raw").exists() and not (copy / "models").exists() and not (copy / ".git").exists()
    assert f"dir = {folder / '.dvc/cache'}\n" in (copy / ".dvc/config.local").read_text()
    assert (copy / ".dvc/config.local").read_text().startswith("[core]\n    no_scm = true\n")


def test_a_training_that_fails_touches_nothing_and_is_told(project, folder):
    before = contents(folder)
    project.pipeline("sys.exit('train: error: no rows are left')\n")
    before["stages/repro.py"] = (folder / "stages/repro.py").read_bytes()
    project.look("x")
    project.ended()
    name = project.trainings()[0].name
    assert project.look() == f"{name} failed: `dvc repro` ended with 1: train: error: no rows are left"
    assert contents(folder) == before and project.asked() == [] and Store(folder / "models").versions() == [1, 2]
    assert project.alerts() == [("retraining/training/failed", "began")]
    assert project.look() == f"no training is due; {name}: failed"
    log = folder / "retraining" / name / ".training/log.txt"
    assert "train: error: no rows are left" in log.read_text()


def test_a_training_that_is_killed_leaves_nothing_running_and_its_cost_is_known(project, folder):
    project.pipeline(GRANDCHILD.format(seconds=0.3) + "subprocess.run([sys.executable, '-c', BURN.format(seconds=600)])\n")
    project.look("x")
    name = project.trainings()[0].name
    spent = folder / "retraining" / name / ".training/spent.json"
    until(spent.is_file)
    pid = process(folder, name)
    until(lambda: len(members(pid)) >= 3)
    os.kill(pid, signal.SIGKILL)
    until(lambda: not is_running(folder / "retraining" / name))
    assert len(members(pid)) >= 1  # the pipeline goes on by itself
    assert project.look().startswith(f"{name} died: it was killed")
    assert members(pid) == [] and project.trainings()[0].ended.core_s > 0
    assert project.look() == f"no training is due; {name}: died"


@pytest.mark.parametrize("how", ["too_long", "stopped"])
def test_a_training_is_ended_with_all_that_it_has_started(how, make_project):
    project = make_project(*(["lifecycle.retraining.longest_h=0.0006"] if how == "too_long" else []))
    project.pipeline(GRANDCHILD.format(seconds=600) + "subprocess.run([sys.executable, '-c', BURN.format(seconds=600)])\n")
    project.look("x")
    name = project.trainings()[0].name
    until(lambda: (project.folder / "retraining" / name / ".training/spent.json").is_file())
    pid = process(project.folder, name)
    if how == "stopped":
        until(lambda: len(members(pid)) >= 3)
        assert command(project, "stop").stdout == f"retrain: {name} was told to end; the next look harvests it\n"
    project.ended()
    until(lambda: not members(pid))
    assert project.look().startswith(f"{name} {how}: ")
    ended = project.trainings()[0].ended
    assert ended.outcome == how and ended.core_s > 0.1  # also of the one that nobody waited for
    assert command(project, "stop").stderr == "retrain: error: no training runs\n"


def test_two_looks_at_once_and_two_trainings_in_a_folder_cannot_be(project, folder):
    project.pipeline("time.sleep(600)\n")
    (folder / "retraining").mkdir()
    with (folder / "retraining/.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = command(project, "now")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == "retrain: error: another look at retraining/ is under way; wait until it has ended\n"
    assert command(project, "now").returncode == 0
    name = project.trainings()[0].name
    until(lambda: is_running(folder / "retraining" / name))
    pid = process(folder, name)
    launch(folder, folder / "retraining" / name, Order(overrides=(), longest_s=1.0, nice=0), None)
    log = folder / "retraining" / name / ".training/started.log"
    until(lambda: "has a training under way" in log.read_text())
    assert process(folder, name) == pid and is_running(folder / "retraining" / name)
    assert command(project).stdout.startswith(f"retrain: {name} trains for 0 min, 0.00 core hours so far")
    assert "trains" in command(project, "status").stdout and len(project.trainings()) == 1


@pytest.mark.parametrize(
    "does, to, why",
    [
        ("refuse", "refused", "gate, slower: too slow"),
        ("served", "refused", "release 3 is what is served already: the same rows gave the same model"),
        ("tried", "refused", "the same rows gave the same model as before, release 3, tried in older"),
    ],
)
def test_an_export_that_is_refused_is_not_tried(does, to, why, project, folder):
    project.does(does)
    project.look("x")
    project.ended()
    if does in ("served", "tried"):
        subprocess.run([".venv-serving/bin/python", "-m", "lifecycle.deploy"], check=True)
    if does == "served":
        Store(folder / "models").activate(3)
    if does == "tried":
        older = Rollout(name="older", champion=1, challenger=3, salt="0", begun_ns=5, status="ended", outcome="back")
        (folder / "rollouts/older").mkdir(parents=True)
        write_state(folder / "rollouts/older", Remembered(rollout=older, config=rollout_settings()))
    name = project.trainings()[0].name
    assert project.look() == f"{name} is {to}: {why}"
    assert not any(line.startswith("lifecycle.rollout") for line in project.asked())
    assert (project.trainings()[0].handed.to, project.trainings()[0].handed.why) == (to, why)


@pytest.mark.parametrize("does", ["unreachable", "no_rollout"])
def test_what_cannot_be_handed_over_now_is_tried_again_until_the_cool_down_is_over(does, make_project):
    project = make_project()
    project.does(does)
    project.look("x")
    project.ended()
    said = {"unreachable": "deploy: error: no server answers", "no_rollout": "rollout: error: it cannot begin"}[does]
    assert project.look().endswith(said) and project.look().endswith(said)
    assert project.trainings()[0].handed is None
    project.does("")
    assert project.look().endswith("is being tried") and project.trainings()[0].handed.to == "rollout"


def test_what_can_never_be_handed_over_is_dropped(make_project, monkeypatch):
    project = make_project()
    project.does("unreachable")
    project.look("x")
    project.ended()
    assert project.look().endswith("no server answers")
    later = project.trainings()[0].ended.at_ns + 3 * 86_400 * 10**9
    monkeypatch.setenv("ADCLICK_CLOCK", f"{later} 0 1")
    assert "is dropped: " in project.look()


def test_with_the_budget_spent_no_training_begins(make_project):
    project = make_project("lifecycle.retraining.budget_core_hours=0.00001")
    project.pipeline(f"subprocess.run([sys.executable, '-c', BURN.format(seconds={BURN_S})])\n" + EXPORTS)
    project.does("refuse")
    project.look("x")
    project.ended()
    assert "is refused" in project.look()
    assert [key for key, event in project.alerts() if event == "began"] == [
        f"retraining/{project.trainings()[0].name[:7]}/budget_{level}" for level in (50, 80, 100)
    ]
    assert "core hours of this month are spent" in project.look("again") and len(project.trainings()) == 1


@pytest.mark.slow
def test_a_look_that_is_killed_at_any_moment_is_taken_up_by_the_next(make_project):
    project = make_project()
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    calls = ("replace", "fsync", "write", "mkdir", "symlink", "kill")
    killed = 0
    for left in range(200):
        words = ["look"] if project.trainings() else ["now"]
        line = [*killed_after(left % 12 + left // 12, "lifecycle.retrain", calls), *words, *project.settings]
        done = subprocess.run(line, env=environment, capture_output=True, text=True, check=False)
        killed += done.returncode == 9
        trainings = project.trainings()
        if trainings and trainings[0].handed is not None:
            break
    (training,) = project.trainings()
    assert killed >= 5 and training.ended.outcome == "trained" and training.handed.to == "rollout", done.stderr
    assert sum(line.startswith("lifecycle.rollout begin") for line in project.asked()) == 1
    assert len(list((project.folder / "rollouts").iterdir())) == 1
