"""An experiment's overrides: what is wrong is said in one sentence before DVC starts, and what is right is handed on."""

import subprocess

import pytest

from contracts.dataset.config_errors import ConfigError
from stages import experiment
from stages.experiment import check_overrides
from tests.stages.pipeline_world import CONF, composed

WRONG = {  # override -> the sentence
    "train.lrr=1": r"^train.lrr is not a known key; did you mean 'lr'\? allowed: seed, ",
    "trian.lr=1": r"^trian.lr is not a known key; did you mean 'train'\? allowed: data",
    "model=resnet": r"^model=resnet: conf/model/ has no resnet.yaml; allowed: dcnv2, deepfm, din, finalmlp, logistic$",
    "model=logistic,dcnv3": r"^model=dcnv3: conf/model/ has no dcnv3.yaml; did you mean 'dcnv2'\?",
    "experiment=smok": r"^experiment=smok: conf/experiment/ has no smok.yaml; did you mean 'smoke'\? allowed: smoke, whole$",
    "train.lr": r"^'train.lr' is no override; write key=value, such as train.lr=0.002$",
    "train.lr=fast": r"^train.lr: got 'fast'; input should be a valid number",
    "train.lr=0.1,fast": r"^train.lr: got 'fast'; input should be a valid number",
    "exchange.shock.month=2026-07": r"^exchange.shock.month is not a known key: exchange.shock is None and has none below it",
    "data.columns.99.name=x": r"^data.columns.99.name is not a known key",
    "data.columns.0.description=key": r"^data.columns.0.description is not set in conf/; to set it write \+data.columns.0",
    "+train.x=3": r"^train.x is not a known key; allowed: seed",
}


@pytest.mark.parametrize("override", WRONG)
def test_a_wrong_override_is_one_sentence_of_ours(override):
    with pytest.raises(ConfigError, match=WRONG[override]) as error:
        check_overrides(CONF, [override])
    assert "\n" not in str(error.value) and "struct" not in str(error.value)


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["model=deepfm", "train.lr=0.002"],
        ["model=logistic,dcnv2", "train.lr=0.1,0.2"],
        ["experiment=smoke", "exchange.months=[2026-05,2026-06]"],
        ["data.columns.0.min=1"],
    ],
)
def test_right_overrides_pass(overrides):
    check_overrides(CONF, overrides)


@pytest.mark.parametrize("option", ["--queue", "--temp", "--run-all"])
@pytest.mark.parametrize(
    ("folder", "name", "said"),
    [
        ("Größe", "Jorg", r"^the project's path is .*/Größe, and DVC 3.67.1 fails every experiment of {}.*; move the project"),
        ("plain", "Jörg", r"^.git/config has the line 'name = Jörg', and DVC .* of {} .*`git config --global`.* leave out {}$"),
    ],
)
def test_where_dvcs_copies_would_fail_without_a_word_it_is_said_before(tmp_path, monkeypatch, option, folder, name, said):
    (tmp_path / folder / ".git").mkdir(parents=True)
    (tmp_path / folder / ".git/config").write_text(f"[user]\n\tname = {name}\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path / folder)
    (tmp_path / folder / "conf").symlink_to(CONF)
    monkeypatch.setattr("sys.argv", ["experiment", option, "model=logistic"])
    monkeypatch.setattr(experiment.subprocess, "run", lambda *_, **__: pytest.fail("DVC was started"))
    with pytest.raises(ConfigError, match=said.format(option, option)):
        experiment.main()


def test_a_queue_of_a_project_in_ascii_is_handed_on(tmp_path):
    experiment.check_copy(tmp_path, "--queue")  # without a repository of its own, too
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git/config").write_text("[user]\n\tname = Jorg\n")
    experiment.check_copy(tmp_path, "--queue")


def test_overrides_are_handed_to_dvc_and_its_exit_code_comes_back(monkeypatch, capsys):
    given = []

    def start(command: list[str], check: bool) -> subprocess.CompletedProcess:
        given.append(command[1:])
        return subprocess.CompletedProcess(command, returncode=7 if "seed=1" in command else 0)

    monkeypatch.setattr(experiment.subprocess, "run", start)
    monkeypatch.chdir(CONF.parent)
    monkeypatch.setattr("sys.argv", ["experiment", "--queue", "model=logistic,dcnv2"])
    experiment.main()
    assert given == [["-m", "dvc", "exp", "run", "--queue", "-S", "model=logistic,dcnv2"]]
    assert "dvc queue start" in capsys.readouterr().out
    monkeypatch.setattr("sys.argv", ["experiment", "experiment=smoke"])
    experiment.main()
    said = capsys.readouterr().out
    assert "take the place of those in data/" in said and "`make repro` brings back what conf/ says" in said
    monkeypatch.setattr("sys.argv", ["experiment", "seed=1"])
    with pytest.raises(SystemExit) as ended:
        experiment.main()
    assert ended.value.code == 7


def test_nothing_starts_if_an_override_is_wrong(monkeypatch):
    monkeypatch.setattr(experiment.subprocess, "run", lambda *_, **__: pytest.fail("DVC was started"))
    monkeypatch.chdir(CONF.parent)
    monkeypatch.setattr("sys.argv", ["experiment", "train.lrr=1"])
    with pytest.raises(ConfigError, match="did you mean 'lr'"):
        experiment.main()


@pytest.mark.parametrize("name", [file.stem for file in (CONF / "experiment").glob("*.yaml")])
def test_every_named_experiment_says_its_name(name):
    assert composed(f"experiment={name}")["experiment_name"] == name
    assert composed()["experiment_name"] is None
