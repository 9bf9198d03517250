"""Stages and scoring, each as a user starts it: nothing is written outside the project, and nobody is turned to."""

import shutil
import sys
from pathlib import Path

import polars as pl
import pytest

from tests.privacy.projects import FONTS, copied
from tests.privacy.watched import ROOT, Watched, watch
from tests.stages.test_train import prepare


@pytest.fixture(scope="module")
def project(exported, tmp_path_factory) -> Path:
    """A project folder as the pipeline leaves it, to write in."""
    return copied(exported, tmp_path_factory.mktemp("watched") / "project")


def run(module: str, project: Path, own: Path, *arguments: object) -> Watched:
    watched = watch([sys.executable, "-m", module, *map(str, arguments)], project, own)
    assert watched.code == 0, watched.said
    assert watched.strays(project, FONTS) == []
    assert watched.seen.far == frozenset()
    return watched


def test_encode_opens_sessions_and_keeps_to_itself(project, tmp_path):
    shutil.rmtree(project / "data/encoded")
    run("stages.encode", project, tmp_path / "own")
    assert (project / "data/encoded/test/cat_idx.npy").is_file()


def test_baselines_and_evaluation_keep_to_themselves(project, tmp_path):
    run("stages.baselines", project, tmp_path / "baselines")
    run("stages.evaluate", project, tmp_path / "evaluate")
    assert (project / "reports/plots/ranking.png").is_file()  # matplotlib has drawn


def test_score_keeps_to_itself(project, tmp_path):
    run("stages.score", project, tmp_path / "own", "data/raw/2024-02", "scores.parquet")
    assert len(pl.read_parquet(project / "scores.parquet")) == 300


def test_compose_keeps_to_itself(tmp_path):
    project = tmp_path / "project"
    project.mkdir()
    (project / "conf").symlink_to(ROOT / "conf")
    (project / "stages").symlink_to(ROOT / "stages")
    run("stages.compose", project, tmp_path / "own")
    assert (project / "params.yaml").is_file()


def test_training_keeps_to_itself(tmp_path):
    """Lightning, its metrics, which draw, and DVCLive."""
    project = prepare(tmp_path / "project", "logistic", max_epochs=1)
    run("stages.train", project, tmp_path / "own")
    assert (project / "reports/train/plots/metrics/val/log_loss.tsv").is_file()
