"""The champion, restored from a DVC remote into a fresh clone, is served as the model that was promoted."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from contracts.serving.releases import identity, model_of
from serving.releases.choice import choose_release
from serving.releases.store import Store
from stages.comparing.models import EXPORT_DIR
from stages.files import sha256_file, write_json
from stages.scoring.scorer import Scorer
from tests.project.project_copy import copy_project, run
from tests.serving.doors import over_grpc, packed
from tests.serving.served_world import REPOSITORY, serving

POINTER, CHAMPION = "champion/model.dvc", Path("champion/model")
NAMES = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in (("NAME", "a"), ("EMAIL", "a@b.org"))}


@pytest.fixture
def restored(exported, tmp_path) -> Path:
    """A fresh clone with nothing but the champion, which another folder promoted, pushed and committed."""
    origin = copy_project(tmp_path / "origin")
    for name in ("artifacts", "reports"):
        shutil.copytree(exported / name, origin / name, dirs_exist_ok=True)
    shutil.copy(exported / "params.yaml", origin)
    write_json(origin / "reports/evaluation.json", {})
    found = {"candidate": sha256_file(origin / EXPORT_DIR / "manifest.json"), "champion": None, "verdict": "first"}
    write_json(origin / "reports/comparison.json", found | {"passes": True, "need": "not_worse", "reasons": ["first model"]})
    run(origin, "dvc", "remote", "add", "--default", "backup", str(tmp_path / "remote"))
    run(origin, "python", "-m", "stages.promote")
    run(origin, "git", "add", POINTER, ".dvc/config")
    run(origin, "git", "commit", "--quiet", "-m", "champion", **NAMES)
    run(origin, "dvc", "push", "--quiet", POINTER)
    run(tmp_path, "git", "clone", "--quiet", str(origin), "clone")
    run(tmp_path / "clone", "dvc", "pull", "--quiet", POINTER)
    return tmp_path / "clone"


@pytest.mark.triton
def test_a_fresh_clone_serves_the_champion_that_was_promoted(restored, exported, exported_rows, spec, tmp_path, monkeypatch):
    repository = restored / CHAMPION / "repository/embedded"
    assert identity(repository, "1") == identity(exported / REPOSITORY, "1")  # so the store gives both the same number
    with monkeypatch.context() as patch:
        patch.chdir(restored)
        assert choose_release(Store(Path("models"))) is None
    assert model_of(restored / "models") == sha256_file(restored / CHAMPION / "export/manifest.json")
    rows = exported_rows[:40]
    with serving(tmp_path / "served", repository) as server:
        reply = over_grpc(server, packed(rows, spec))
    np.testing.assert_allclose(reply.probability, Scorer(restored / CHAMPION / "export").score(rows), atol=1e-6)
