"""The champion with real DVC: a clone that has none, a promotion, and a fresh clone that takes it from the remote."""

import json
import re
import shutil
import sys
from pathlib import Path

import pytest
import yaml

from contracts.serving.releases import identity
from stages.files import digests_below, read_json
from tests.comparing.compared_world import make_model, world
from tests.project.project_copy import copy_project, run

NAMES = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in (("NAME", "a"), ("EMAIL", "a@b.org"))}
PROMOTE = ("python", "-m", "stages.promote")
COMPARE = ("dvc", "repro", "--single-item", "compare")  # the stages before it have run, without DVC
POINTER, REPOSITORY = "champion/model.dvc", "champion/model/repository/embedded"


@pytest.fixture(scope="module")
def origin(tmp_path_factory) -> Path:
    """A copy of the project with a small exported model and a DVC remote; no model was promoted yet."""
    folder = make_model(copy_project(tmp_path_factory.mktemp("champion") / "origin"), world())
    (folder / "artifacts/repository/embedded/ctr/1").mkdir(parents=True)
    (folder / "artifacts/repository/embedded/ctr/1/package.json").write_text("{}\n")
    params = folder / "params.yaml"
    params.write_text(params.read_text().replace("commit: false", "commit: true"))
    run(folder, "dvc", "remote", "add", "--default", "backup", str(folder.parent / "remote"))
    run(folder, "git", "commit", "--quiet", "-am", "remote", **NAMES)
    return folder


@pytest.fixture(scope="module")
def promoted(origin) -> Path:
    """The same after `dvc repro`, the first promotion, which commits by itself, and `dvc push`."""
    said = run(origin, *COMPARE)
    assert "compare: first, passes: there is no champion to compare it with" in said
    said = run(origin, *PROMOTE, **NAMES)
    assert "is the champion (first: there is no champion to compare it with)" in said
    assert "promote: committed champion/model.dvc; then `.venv/bin/dvc push champion/model.dvc`" in said
    run(origin, "dvc", "push", "--quiet", POINTER)
    return origin


def test_a_promotion_leaves_nothing_but_its_pointer_to_commit(promoted):
    assert run(promoted, "git", "show", "--name-only", "--format=", "HEAD").split() == [POINTER]
    assert "champion" not in run(promoted, "git", "status", "--porcelain", "--untracked-files=all")
    assert "Data and pipelines are up to date" in run(promoted, "dvc", "status", POINTER)


def test_the_stage_depends_on_the_champion_and_runs_again_after_a_promotion(promoted):
    assert "champion" in run(promoted, "dvc", "status", "compare")
    assert "compare: same, passes: the candidate is the champion" in run(promoted, *COMPARE)
    assert "didn't change, skipping" in run(promoted, *COMPARE)
    assert POINTER in run(promoted, "dvc", "dag", "compare")


def test_a_promotion_that_broke_off_before_dvc_had_the_files_is_completed(promoted, tmp_path):
    run(tmp_path, "git", "clone", "--quiet", str(promoted), "clone")
    clone = tmp_path / "clone"
    for name in ("artifacts", "reports", "champion/model"):
        shutil.copytree(promoted / name, clone / name, dirs_exist_ok=True)
    shutil.copy(promoted / "params.yaml", clone)
    (clone / POINTER).unlink()
    said = run(clone, *PROMOTE, **NAMES)
    assert "is the champion; its promotion had broken off" in said
    assert (clone / POINTER).is_file() and '"event": "promotion"' in (clone / "models/releases.jsonl").read_text()
    assert "is the champion already" in run(clone, *PROMOTE, **NAMES)
    (clone / "models/releases.jsonl").unlink()
    assert "its promotion had broken off" in run(clone, *PROMOTE, **NAMES)


def test_a_model_of_a_training_in_a_folder_of_its_own_is_promoted_from_there(promoted, tmp_path):
    run(tmp_path, "git", "clone", "--quiet", str(promoted), "clone")
    clone = tmp_path / "clone"
    shutil.copy(promoted / "params.yaml", clone)
    (clone / POINTER).unlink()
    for name in ("artifacts", "reports"):
        shutil.copytree(promoted / name, clone / "retraining/a" / name)
    comparison = clone / "retraining/a/reports/comparison.json"
    comparison.write_text(json.dumps(read_json(comparison) | {"champion": None}))
    assert "is the champion" in run(clone, *PROMOTE, "--from", "retraining/a", **NAMES)
    assert digests_below(clone / "champion/model/export") == digests_below(promoted / "artifacts/export") != {}
    assert not (clone / "artifacts/export").exists() and (clone / POINTER).is_file()


def test_a_fresh_clone_takes_the_champion_from_the_remote_and_has_the_same_files(promoted, tmp_path):
    run(tmp_path, "git", "clone", "--quiet", str(promoted), "clone")
    clone = tmp_path / "clone"
    assert (clone / POINTER).is_file() and not (clone / "champion/model").exists()
    run(clone, "dvc", "pull", "--quiet", POINTER)
    assert digests_below(clone / "champion/model") == digests_below(promoted / "champion/model")
    assert read_json(clone / "champion/model/promotion.json")["verdict"] == "first"


def test_an_earlier_champion_is_brought_back_out_of_the_cache_or_the_remote(promoted, tmp_path):
    run(tmp_path, "git", "clone", "--quiet", str(promoted), "clone")
    clone = tmp_path / "clone"
    shutil.copytree(promoted / "models", clone / "models")
    shutil.copy(promoted / "params.yaml", clone)
    run(clone, "dvc", "pull", "--quiet", POINTER)
    pointer, files = (clone / POINTER).read_bytes(), digests_below(clone / "champion/model")
    model, release = read_json(clone / "champion/model/promotion.json")["candidate"], identity(clone / REPOSITORY, "1")
    (clone / "champion/model/promotion.json").write_text("{}")
    run(clone, "dvc", "add", "--quiet", "champion/model")
    assert (clone / POINTER).read_bytes() != pointer
    said = run(clone, *PROMOTE, "--back-to", release, **NAMES)
    assert f"promote: {model[:12]} is the champion again" in said
    assert yaml.safe_load((clone / POINTER).read_bytes()) == yaml.safe_load(pointer)
    assert digests_below(clone / "champion/model") == files
    shutil.rmtree(clone / ".dvc/cache")
    (clone / "champion/model/promotion.json").write_text("{}")
    run(clone, *PROMOTE, "--back-to", release, **NAMES)
    assert digests_below(clone / "champion/model") == files
    shutil.rmtree(clone / ".dvc/cache")
    run(clone, "dvc", "remote", "modify", "--local", "backup", "url", str(tmp_path / "empty"))
    (clone / "champion/model/promotion.json").write_text("{}")
    said = run(clone, *PROMOTE, "--back-to", release, fails=True, **NAMES)
    assert re.search(r"its files are neither in DVC's cache nor in the remote: .*\w", said)
    assert (clone / POINTER).is_file()


def test_make_repro_brings_the_champion_or_says_how_to_do_without(promoted, tmp_path):
    run(tmp_path, "git", "clone", "--quiet", str(promoted), "clone")
    clone = tmp_path / "clone"
    (clone / ".venv").mkdir()
    (clone / ".venv/.pipeline").touch()  # it is installed already, as far as make can see
    run(clone, "dvc", "remote", "modify", "--local", "backup", "url", str(tmp_path / "empty"))
    said = run(clone, "make", "repro", fails=True)
    assert (
        "repro: champion/model is not here and no remote has it (DVC's message stands above); git rm champion/model.dvc" in said
    )
    run(clone, "dvc", "remote", "modify", "--local", "backup", "url", str(promoted.parent / "remote"))
    (clone / ".venv/bin").mkdir()
    (clone / ".venv/bin/dvc").write_text(f'#!/bin/sh\n[ "$1" != repro ] && exec {Path(sys.executable).parent / "dvc"} "$@"\n')
    (clone / ".venv/bin/dvc").chmod(0o755)
    run(clone, "make", "repro", fails=True)  # it goes no further than to `dvc repro`
    assert (clone / "champion/model/promotion.json").is_file()
