"""An export of another project folder: its reports are asked for there, about the champion that is here."""

import shutil
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from contracts.serving.release_log import read
from contracts.serving.releases import identity, model_of
from lifecycle.deploy import evidence
from lifecycle.deploy.made_in import bring_champion, checked_folder
from serving.releases.reference import read_promise
from tests.lifecycle.deploy.deployed_world import events
from tests.serving.releases.test_reference import evaluation, write_evaluation
from tests.serving.served_world import REPOSITORY

REPORT = """import json, pathlib, sys
name, candidate, champion, passes = sys.argv[1:]
found = pathlib.Path("champion/model/export/manifest.json").read_text()
about = {"candidate": candidate, "champion": champion, "passes": passes == "1"}
about |= {"verdict": "better", "reasons": [f"beside {found}"]}
pathlib.Path(name).write_text(json.dumps(about))
"""


@pytest.fixture
def made_in(project, new_candidate, monkeypatch) -> Path:
    """A folder with an export that the project does not have, and the champion of an earlier time; reports pass."""
    folder = project / "retraining/one"
    shutil.move(project / "artifacts", folder / "artifacts")
    (folder / "artifacts/export").mkdir()
    (folder / "artifacts/export/manifest.json").write_text("{}")
    (folder / "dvc.yaml").write_text("stages: {}\n")
    (folder / "report.py").write_text(REPORT)
    (folder / "reports").mkdir()
    (folder / "champion/model/export").mkdir(parents=True)
    (folder / "champion/model/export/manifest.json").write_text("an earlier one's")
    (folder / "champion/model/stale").write_text("")
    finds(monkeypatch, folder)
    return folder


def finds(monkeypatch, folder: Path, passes: bool = True) -> None:
    candidate, champion = model_of(folder / REPOSITORY), sha256(b"the champion's").hexdigest()
    for name, command in (("comparison", "COMPARE"), ("gate", "GATE")):
        told = (sys.executable, "report.py", f"reports/{name}.json", candidate, champion, str(int(passes)))
        monkeypatch.setattr(evidence, command, told)


@pytest.mark.triton
def test_an_export_of_another_folder_is_stored_on_its_own_evidence(made_in, deploy, answers, store, project, monkeypatch):
    monkeypatch.chdir(made_in)
    write_evaluation(evaluation(model_of(REPOSITORY)))
    monkeypatch.chdir(project)
    number = store.versions()[-1] + 1
    deploy("--beside", "--from", "retraining/one")
    assert answers() == 1 and store.versions()[-1] == number and events(store) == [("stored", number, 1)]
    (entry,) = read(store.folder)[0]
    assert entry["model"] == model_of(made_in / REPOSITORY) and entry["release"] == identity(store.folder, str(number))
    assert entry["champion"] == sha256(b"the champion's").hexdigest()
    assert entry["reasons"] == [f"{name}, better: beside the champion's" for name in ("comparison", "gate")]
    assert entry["evidence"]["gate"]["sha256"] == sha256((made_in / "reports/gate.json").read_bytes()).hexdigest()
    assert not (made_in / "champion/model/stale").exists() and not (project / "reports/gate.json").exists()
    promise = read_promise(store.folder, number)
    assert promise is not None and promise["rows"] == 100
    deploy("--beside", "--from", "retraining/one")
    assert len(events(store)) == 1


@pytest.mark.triton
def test_an_export_of_another_folder_is_refused_with_its_own_pages(made_in, deploy, answers, store, monkeypatch):
    finds(monkeypatch, made_in, passes=False)
    before = store.versions()
    with pytest.raises(ValueError, match=r"beside the champion's \(and 1 more\); retraining/one/reports/comparison.html and"):
        deploy("--beside", "--from", "retraining/one")
    assert answers() == 1 and store.versions() == before and events(store) == [("refusal", None, 1)]


@pytest.mark.triton
def test_an_export_of_another_folder_that_is_served_becomes_the_champion_from_there(made_in, deploy, answers, project):
    deploy("--from", "retraining/one")
    assert (project / "promoted.txt").read_text() == "promote: --from retraining/one\n"


def test_a_folder_that_is_no_project_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert checked_folder(None) is None and checked_folder(".") is None and checked_folder(str(tmp_path)) is None
    with pytest.raises(ValueError, match="--from: expected a project folder with an export, got nowhere, which has no "):
        checked_folder("nowhere")


def test_the_champion_of_the_folder_is_the_one_that_is_here_or_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "champion/model").mkdir(parents=True)
    (tmp_path / "champion/model/a").write_text("now")
    (tmp_path / "champion/model.dvc").write_text("pointer")
    other = tmp_path / "other"
    (other / "champion").mkdir(parents=True)
    bring_champion(other)
    assert ((other / "champion/model/a").read_text(), (other / "champion/model.dvc").read_text()) == ("now", "pointer")
    shutil.rmtree(tmp_path / "champion")
    bring_champion(other)
    assert [*(other / "champion").iterdir()] == []
