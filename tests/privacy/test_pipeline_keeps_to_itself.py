"""The whole pipeline by DVC in a clone, and a training in two processes: nothing is written outside, and nobody is turned to."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.privacy.projects import FONTS
from tests.privacy.watched import ROOT, Watched, watch
from tests.stages.test_train import prepare

pytestmark = pytest.mark.slow
LONG_S = 1800.0
SMALL = (
    "experiment=smoke",
    "exchange.impressions_per_month=3000",
    "exchange.creatives_per_month=20",
    "exchange.num_users=200",
    "train.max_epochs=1",
    "train.min_steps_per_epoch=20",
)
DVC = Path(sys.executable).with_name("dvc")


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    """What git tracks here, as a repository of its own with a small world in its configuration."""
    folder = tmp_path_factory.mktemp("clone") / "project"
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(None, names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_file():
            (folder / name).write_bytes((ROOT / name).read_bytes())
    git = ["git", "-C", str(folder), "-c", "user.name=somebody", "-c", "user.email=somebody@host.example"]
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "begin"]):
        subprocess.run([*git, *arguments], check=True)
    return folder


def run(folder: Path, own: Path, *command: object) -> Watched:
    watched = watch([*map(str, command)], folder, own, {"PYTHONPATH": str(folder)}, LONG_S)
    assert watched.code == 0, watched.said
    assert watched.strays(folder, FONTS) == []
    return watched


def test_an_experiment_of_all_stages_keeps_to_itself(clone, tmp_path):
    overrides = [part for override in SMALL for part in ("-S", override)]
    watched = run(clone, tmp_path / "own", DVC, "exp", "run", *overrides)
    assert watched.seen.far == frozenset()
    assert (clone / "reports/model_card.html").is_file() and (clone / "artifacts/repository/embedded/ctr").is_dir()
    assert yaml.safe_load((clone / "params.yaml").read_text())["exchange"]["impressions_per_month"] == 3000


@pytest.mark.parametrize("command", ["status", "metrics diff", "exp show", "plots show", "version"])
def test_what_dvc_shows_keeps_to_itself(clone, tmp_path, command):
    assert run(clone, tmp_path / "own", DVC, *command.split()).seen.far == frozenset()


def test_two_processes_that_train_together_write_nothing_elsewhere(tmp_path):
    """torch.distributed asks for the name of loopback's address, 127.0.0.1 as IPv6 has it, and that alone."""
    project = prepare(tmp_path / "project", trainer={"devices": 2, "strategy": "ddp", "deterministic": False}, max_epochs=1)
    watched = watch([sys.executable, "-m", "stages.train"], project, tmp_path / "own", deadline_s=LONG_S)
    assert watched.code == 0, watched.said
    assert watched.strays(project, FONTS) == []
    assert all(address.endswith(":53") for address in watched.seen.far)
    asked = "The hostname of the client socket cannot be retrieved"
    assert (asked in watched.said) == bool(watched.seen.far)
