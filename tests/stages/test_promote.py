"""Promotion, without DVC: what it writes, and what it refuses."""

import hashlib
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from contracts.serving.release_log import read
from stages import champion_pointer, promote
from stages.comparing.models import read_champion
from stages.files import read_json, sha256_file, write_json
from tests.comparing.compared_world import make_model, world

EXPORT = "artifacts/export"


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    folder = make_model(tmp_path_factory.mktemp("model"), world())
    (folder / "artifacts/repository/embedded/ctr/1").mkdir(parents=True)
    (folder / "artifacts/repository/embedded/ctr/1/package.json").write_text("{}")
    return folder


@pytest.fixture
def ready(model, tmp_path, monkeypatch) -> Path:
    """A project folder with an export that compare let pass; DVC and git are called, but do nothing."""
    for name in ("artifacts", "reports"):
        shutil.copytree(model / name, tmp_path / name)
    shutil.copyfile(model / "params.yaml", tmp_path / "params.yaml")
    monkeypatch.chdir(tmp_path)
    write_json(Path("reports/evaluation.json"), {"rows": 3})
    verdict(passes=True)
    monkeypatch.setattr(champion_pointer.subprocess, "run", lambda *_, **__: SimpleNamespace(returncode=0, stdout="", stderr=""))
    return tmp_path


def verdict(**changes: object) -> None:
    candidate = sha256_file(Path(EXPORT) / "manifest.json")
    found = {"candidate": candidate, "champion": None, "verdict": "first", "need": "not_worse", "reasons": ["first model"]}
    write_json(Path("reports/comparison.json"), found | changes)


def run_promote(monkeypatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["promote", *arguments])
    promote.main()


def test_the_champion_is_all_that_scoring_serving_and_comparing_need(ready, monkeypatch, capsys):
    run_promote(monkeypatch)
    champion = read_champion()
    assert champion is not None and champion.digest == sha256_file(Path(EXPORT) / "manifest.json")
    assert champion.declaration.name == "small" and champion.splits == read_json(Path("reports/split.json"))
    assert champion.profile == read_json(Path("artifacts/reference_profile.json"))
    assert Path("champion/model/repository/embedded/ctr/1/package.json").is_file()
    about = read_json(Path("champion/model/promotion.json"))
    assert (about["verdict"], about["before"], about["forced_because"]) == ("first", None, None)
    assert {"promoted", "by", "code", "dvc_lock"} < set(about)
    (entry,), _ = read(Path("models"))
    assert (entry["event"], entry["model"], entry["champion"]) == ("promotion", champion.digest, None)
    assert entry["evidence"]["comparison"]["sha256"] == sha256_file(Path("reports/comparison.json"))
    assert entry["reasons"] == ["first model"]
    out = capsys.readouterr().out
    assert 'to keep it: git add champion/model.dvc && git commit -m "[champion] ' in out and "dvc push" not in out
    run_promote(monkeypatch)
    assert "is the champion already" in capsys.readouterr().out


def test_with_a_remote_the_champion_can_be_copied_there(ready, monkeypatch, capsys):
    listed = SimpleNamespace(returncode=0, stdout="backup\ts3://models\n", stderr="")
    monkeypatch.setattr(champion_pointer.subprocess, "run", lambda *_, **__: listed)
    run_promote(monkeypatch)
    assert capsys.readouterr().out.endswith("; then `.venv/bin/dvc push champion/model.dvc` copies it to the remote\n")


def test_a_pointer_that_is_restored_has_the_bytes_that_dvc_wrote(ready):
    Path("champion").mkdir(exist_ok=True)
    written = "outs:\n- md5: 1f2e.dir\n  size: 12\n  nfiles: 3\n  hash: md5\n  path: model\n"
    champion_pointer.POINTER.write_text(written)
    pointer = dict(sorted(champion_pointer.tracked().items()))  # as a line of releases.jsonl has it
    champion_pointer.restore(pointer)
    assert champion_pointer.POINTER.read_text() == written


@pytest.mark.parametrize("weights", [b"these", b"others"])
def test_what_the_training_took_goes_along_if_it_is_of_these_weights(ready, monkeypatch, weights):
    Path("artifacts/model").mkdir(exist_ok=True)
    Path("artifacts/model/weights.safetensors").write_bytes(b"these")
    timing = {"train_s": 7.0, "peak_memory_mib": 800, "weights": hashlib.sha256(weights).hexdigest()}
    write_json(Path("reports/train_timing.json"), timing)
    run_promote(monkeypatch)
    kept = Path("champion/model/train_timing.json")
    assert (read_json(kept) if kept.is_file() else None) == (timing if weights == b"these" else None)


def test_a_candidate_that_does_not_pass_is_refused_unless_it_is_forced_with_a_reason(ready, monkeypatch):
    verdict(passes=False, verdict="suspicious", reasons=["a leak"])
    with pytest.raises(ValueError, match=r"does not pass \(suspicious; needed not_worse\): a leak; .*FORCE=1"):
        run_promote(monkeypatch)
    with pytest.raises(ValueError, match='--force needs a reason: make promote FORCE=1 WHY="..."'):
        run_promote(monkeypatch, "--force", "--why", " ")
    assert not Path("champion").exists()
    run_promote(monkeypatch, "--force", "--why", "the old one is on fire")
    about = read_json(Path("champion/model/promotion.json"))
    assert (about["forced_because"], about["verdict"]) == ("the old one is on fire", "suspicious")
    assert read(Path("models"))[0][0]["forced_because"] == "the old one is on fire"


def test_the_same_model_with_other_settings_of_serving_is_promoted_too(ready, monkeypatch, capsys):
    run_promote(monkeypatch)
    verdict(passes=True, champion=sha256_file(Path(EXPORT) / "manifest.json"), verdict="same")
    Path("artifacts/repository/embedded/ctr/1/package.json").write_text('{"files": {}}')
    run_promote(monkeypatch)
    assert "is the champion already" not in capsys.readouterr().out
    assert Path("champion/model/repository/embedded/ctr/1/package.json").read_text() == '{"files": {}}'


def test_a_model_that_was_never_promoted_cannot_be_brought_back(ready, monkeypatch):
    with pytest.raises(ValueError, match="models/releases.jsonl has no promotion of release abc"):
        run_promote(monkeypatch, "--back-to", "abc")


@pytest.mark.parametrize("changes", [{"candidate": "x"}, {"champion": "x"}])
def test_a_comparison_of_other_models_is_no_evidence(ready, monkeypatch, changes):
    verdict(passes=True, **changes)
    with pytest.raises(ValueError, match="is about another candidate or champion; run `dvc repro compare` first"):
        run_promote(monkeypatch)


def test_without_a_comparison_nothing_is_promoted(ready, monkeypatch):
    Path("reports/comparison.json").unlink()
    with pytest.raises(ValueError, match="comparison.json is missing; run `dvc repro compare` first"):
        run_promote(monkeypatch)


@pytest.mark.parametrize(
    ("fails", "words"), [("dvc", "`dvc add` failed: no space"), ("git", "`git add` failed: no space; to keep it: git add")]
)
def test_what_dvc_or_git_say_is_passed_on(ready, monkeypatch, fails, words):
    params = yaml.safe_load(Path("params.yaml").read_text())
    Path("params.yaml").write_text(yaml.safe_dump(params | {"lifecycle": params["lifecycle"] | {"commit": True}}))

    def said(command: list[str], **_: object) -> SimpleNamespace:
        return SimpleNamespace(returncode=int(command[0] == fails), stdout="", stderr="no\nspace")

    monkeypatch.setattr(champion_pointer.subprocess, "run", said)
    with pytest.raises(ValueError, match=words):
        run_promote(monkeypatch)
