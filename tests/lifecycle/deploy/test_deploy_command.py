"""`python -m lifecycle.deploy` against real Triton; what makes the reports, and what promotes, are programs of these tests."""

import fcntl
import shlex
import shutil
from hashlib import sha256

import pytest

from contracts.serving.release_log import read
from contracts.serving.releases import identity, model_of
from contracts.serving.route import Route, text_of
from lifecycle.deploy import champion, evidence
from serving.releases.reference import read_promise
from stages.files import read_json
from tests.lifecycle.deploy.deployed_world import events, served_as
from tests.serving.releases.test_reference import evaluation, write_evaluation
from tests.serving.served_world import REPOSITORY, exported_with, free_ports, spoil
from tests.serving.small_store import canary

pytestmark = pytest.mark.triton


def test_a_candidate_that_passes_is_served_and_becomes_the_champion(
    reports, new_candidate, deploy, answers, store, exported, project, capsys
):
    number = store.versions()[-1] + 1
    write_evaluation(evaluation(model_of(new_candidate)))
    deploy()
    assert answers() == number and read_promise(store.folder, number)["rows"] == 100
    out = capsys.readouterr().out.splitlines()
    assert out == [
        "deploy: comparison: better, passes: comparison is content",
        "deploy: gate: better, passes: gate is content",
        "deploy: trying the new version in a server of its own ...",
        f"deploy: version {number} is being served, before it was 1",
    ]
    assert (project / "promoted.txt").read_text() == "promote: \n"
    (entry,), _ = read(store.folder)
    assert (entry["event"], entry["version"], entry["before"], entry["forced_because"]) == ("release", number, 1, None)
    assert entry["model"] == model_of(exported / REPOSITORY) and entry["champion"] == sha256(b"the champion's").hexdigest()
    assert entry["data"] == read_json(exported / "artifacts/export/manifest.json")["data"] != {}
    assert entry["reasons"] == ["comparison, better: comparison is content", "gate, better: gate is content"]
    assert entry["evidence"]["gate"]["sha256"] == sha256((project / "reports/gate.json").read_bytes()).hexdigest()
    deploy()
    assert capsys.readouterr().out == f"deploy: version {number} is being served already\n" and len(events(store)) == 1


@pytest.mark.parametrize("name", ["comparison", "gate"])
def test_a_candidate_that_does_not_pass_is_refused_with_the_reason_unless_it_is_forced(
    name, reports, candidate, deploy, answers, store, project
):
    reports(name, ends=int(name == "gate"), passes=False, verdict="failed", reasons=["too slow", "too big"])
    before = store.versions()
    said = rf"refused, the server serves what it did before\. {name}, failed: too slow \(and 1 more\).*FORCE=1 WHY="
    with pytest.raises(ValueError, match=said):
        deploy()
    assert store.versions() == before and answers() == 1 and not (project / "promoted.txt").exists()
    with pytest.raises(ValueError, match='--force needs a reason: make deploy FORCE=1 WHY="..."'):
        deploy("--force", "--why", " ")
    deploy("--force", "--why", "the old one is on fire")
    assert answers() == store.released(candidate)
    refused, forced = read(store.folder)[0]
    assert (refused["event"], refused["version"], refused["forced_because"]) == ("refusal", None, None)
    assert (forced["event"], forced["forced_because"]) == ("release", "the old one is on fire")
    assert forced["reasons"] == refused["reasons"] == [f"{name}, failed: too slow", f"{name}, failed: too big"]
    assert (project / "promoted.txt").read_text() == "promote: --force --why the old one is on fire\n"


@pytest.mark.parametrize(
    "finds", [{"writes": False}, {"ends": 1}, {"candidate": "another"}, {"champion": "another"}, {"champion": None}]
)
def test_a_report_that_is_not_about_these_models_is_no_evidence(finds, reports, candidate, deploy, answers, store):
    reports("gate", **finds)
    with pytest.raises(ValueError, match=r"refused, .*gate: `.*` ended with code \d and wrote no report about this candidate"):
        deploy()
    assert answers() == 1 and events(store) == [("refusal", None, 1)]


def test_what_makes_the_reports_has_to_be_installed(reports, candidate, deploy, answers, monkeypatch):
    monkeypatch.setattr(evidence, "GATE", (".venv-load/bin/python", "-m", "lifecycle.gate"))
    with pytest.raises(ValueError, match="gate: .venv-load/bin/python is not installed; `make deploy` installs it"):
        deploy()


def test_going_back_needs_no_evidence_and_brings_the_champion_back(
    reports, candidate, deploy, answers, store, exported, project, capsys
):
    deploy()
    number = store.active()
    (project / "asked.txt").unlink()
    deploy("--version", "1", "--why", "complaints")
    assert answers() == 1 and not (project / "asked.txt").exists()
    assert events(store)[1:] == [("rollback", 1, number)] and read(store.folder)[0][-1]["reasons"] == ["complaints"]
    assert (project / "promoted.txt").read_text().splitlines()[1] == f"promote: --back-to {identity(exported / REPOSITORY, '1')}"
    capsys.readouterr()
    (project / "promote_ends").write_text("1")
    deploy("--version", str(number))
    assert answers() == number
    assert f"deploy: champion/model is not version {number}: the next candidate is compared with" in capsys.readouterr().out
    with pytest.raises(ValueError, match=r"has no version 99; it has \[1"):
        deploy("--version", "99")


def test_a_promotion_that_fails_is_said_and_the_model_is_served(reports, candidate, deploy, answers, store, project):
    (project / "promote_ends").write_text("1")
    with pytest.raises(ValueError, match=r"version \d+ is being served, but is not the champion yet; `make promote` makes it so"):
        deploy()
    assert answers() == store.active() != 1


def test_what_does_not_load_never_reaches_the_running_server(reports, new_candidate, deploy, answers, store):
    spoil(new_candidate / "ctr/1")
    before = store.versions()
    with pytest.raises(ValueError, match=r"Triton ended while it started: failed to load 'ctr' version 1: .*trial.log"):
        deploy()
    assert store.versions() == before and answers() == 1
    assert events(store) == [("refusal", None, 1)] and "failed to load" in read(store.folder)[0][0]["reasons"][0]


def test_a_version_that_does_not_load_later_leaves_a_line_that_says_so(reports, deploy, answers, store, exported, tmp_path):
    broken = store.release(exported_with(exported, tmp_path / "broken", max_batch_size=700 + len(store.versions())))
    path = store.folder / "ctr" / str(broken) / "ctr_packed.onnx"
    path.chmod(0o644)
    path.write_bytes(b"other")
    with pytest.raises(ValueError, match=f"version {broken} was refused, version 1 is still being served"):
        deploy("--version", str(broken))
    assert answers() == 1 and events(store) == [("rollback", broken, 1), ("refusal", broken, 1)]
    assert store.active() == 1


def test_the_champion_needs_no_evidence(candidate, deploy, answers, store, exported, project):
    champion_folder = project / "champion/model"
    shutil.copytree(project / "artifacts/repository", champion_folder / "repository", dirs_exist_ok=True)
    shutil.copy(exported / "artifacts/export/manifest.json", champion_folder / "export/manifest.json")
    deploy()
    assert answers() == store.active() != 1 and not (project / "promoted.txt").exists()
    assert read(store.folder)[0][0]["reasons"] == ["it is the champion"]


def test_the_same_model_with_other_settings_needs_evidence(candidate, reports, deploy, answers, exported, project):
    same = model_of(exported / REPOSITORY)
    served_as(project, same)
    reports("comparison", champion=same)
    reports("gate", champion=same, passes=False, verdict="failed", reasons=["a queue of one"])
    with pytest.raises(ValueError, match="gate, failed: a queue of one"):
        deploy()


def test_an_export_that_changes_while_the_evidence_is_gathered_is_not_released(
    reports, candidate, deploy, answers, store, monkeypatch
):
    script = f"{shlex.join(evidence.GATE)} && printf ' ' >> {shlex.quote(str(candidate / 'ctr/1/package.json'))}"
    monkeypatch.setattr(evidence, "GATE", ("/bin/sh", "-c", script))
    before = store.versions()
    with pytest.raises(ValueError, match="artifacts/repository/embedded changed while the evidence was gathered; run"):
        deploy()
    assert store.versions() == before and answers() == 1 and events(store) == []


def test_a_first_champion_says_that_nothing_was_compared_with_what_is_served(
    reports, candidate, deploy, answers, store, project, capsys
):
    shutil.rmtree(project / "champion")
    for name in ("comparison", "gate"):
        reports(name, champion=None, verdict="first")
    deploy()
    assert answers() == store.active() != 1 and (project / "promoted.txt").read_text() == "promote: \n"
    said = "version 1 is being served and was never promoted, so that nothing was compared with it; this one becomes the first"
    assert f"deploy: {said} champion" in capsys.readouterr().out
    assert read(store.folder)[0][0]["reasons"][-1].startswith(said)


def test_a_champion_whose_files_are_not_here_has_to_be_brought(reports, candidate, deploy, answers, project):
    shutil.rmtree(project / "champion/model")
    (project / "champion/model.dvc").touch()
    with pytest.raises(ValueError, match="champion/model is not here; `dvc pull champion/model.dvc` brings the champion"):
        deploy()


def test_a_model_that_is_to_be_tried_gets_a_number_and_is_not_served(
    reports, new_candidate, deploy, answers, store, project, capsys
):
    number = store.versions()[-1] + 1
    reports("gate", passes=False, verdict="failed", reasons=["too slow"])
    with pytest.raises(ValueError, match="refused, .*gate, failed: too slow"):
        deploy("--beside")
    assert number not in store.versions()
    reports("gate")
    deploy("--beside")
    said = f"deploy: version {number} is in the store, and 1 goes on being served; try it beside that: make route"
    assert capsys.readouterr().out.splitlines()[-1].startswith(said)
    assert store.versions()[-1] == number and answers() == 1 and not (project / "promoted.txt").exists()
    assert events(store) == [("refusal", None, 1), ("stored", number, 1)]
    deploy("--beside")
    assert capsys.readouterr().out.startswith(said) and len(events(store)) == 2
    deploy()
    assert answers() == number and events(store)[2:] == [("release", number, 1)]


def test_a_deployment_and_the_way_back_are_routes(reports, candidate, deploy, answers, store):
    deploy()
    assert store.route() == Route(champion=store.released(candidate)) and store.before() == 1
    deploy("--version", "1")
    assert store.route() == Route(champion=1) and store.before() == store.released(candidate)


def test_nothing_but_the_challenger_is_deployed_during_a_rollout(reports, candidate, deploy, answers, store, project, exported):
    other = store.release(exported_with(exported, project / "tried", max_batch_size=33))
    before, tried = store.readable_route(), canary(1, other)
    store.restore_route(tried)
    said = f"refused, the server serves what it did before: the route has release {other} beside 1"
    for arguments in ((), ("--version", str(store.released(candidate)))):
        with pytest.raises(ValueError, match=said):
            deploy(*arguments)
    assert answers() == 1 and store.route() == tried and events(store) == [] and not (project / "asked.txt").exists()
    deploy("--version", "1")
    assert store.route() == tried  # it is being served already
    store.restore_route(canary(1, store.released(candidate)))
    deploy()
    assert answers() == store.released(candidate) and store.route() == Route(champion=store.released(candidate))
    assert before is None or before.trial is None


def test_a_rollout_that_ends_while_the_evidence_is_gathered_ends_the_deployment(
    reports, candidate, deploy, answers, store, monkeypatch
):
    number = store.released(candidate)
    store.restore_route(canary(1, number))
    off = shlex.quote(text_of(Route(champion=1)))
    script = f"{shlex.join(evidence.GATE)} && printf %s {off} > {shlex.quote(str(store.folder / 'route'))}"
    monkeypatch.setattr(evidence, "GATE", ("/bin/sh", "-c", script))
    with pytest.raises(ValueError, match="the route of .*models/ was changed meanwhile; see `make route`, and deploy again"):
        deploy()
    assert answers() == 1 and store.route() == Route(champion=1) and events(store) == []


def test_two_deployments_at_once_are_refused(reports, candidate, deploy, answers, store):
    with (store.folder / ".deploy.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(ValueError, match="another deployment to .*models/ is under way; wait until it has ended"):
            deploy()


def test_the_command_says_what_is_not_there(reports, deploy, answers, project):
    (port,) = free_ports(1)
    with pytest.raises(ValueError, match=f"no server answers at 127.0.0.1:{port}; start one with `make serve`"):
        deploy("--http-port", str(port))
    with pytest.raises(ValueError, match="holds no exported model; run `make repro` first"):
        deploy()


def test_without_the_pipelines_environment_nothing_is_promoted(project):
    (project / ".venv/bin/python").unlink()
    assert champion.promote() is False
