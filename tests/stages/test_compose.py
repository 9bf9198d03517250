"""Stage compose: every file in conf/ composes, and what is wrong is said in one sentence."""

import os
import re
from itertools import combinations, product
from pathlib import Path

import pytest
import yaml

from contracts.dataset.config_errors import ConfigError
from contracts.dataset.source import Source
from stages import compose
from stages.compose import compose_params, link_source
from stages.settings import check_all, check_section, load_params
from tests.stages.pipeline_world import CONF, composed

FOLDERS = [folder for folder in CONF.iterdir() if folder.is_dir() and folder.name != "loadtest"]  # no part of the pipeline
GROUPS = {folder.name: sorted(path.stem for path in folder.glob("*.yaml")) for folder in FOLDERS}
ALL = [*product(GROUPS["data"], GROUPS["model"], GROUPS["trainer"])]
PAIRS = [  # of every two groups each file with each, as in a Latin square: the trainer follows from the other two
    (data, model, GROUPS["trainer"][(d + m) % len(GROUPS["trainer"])])
    for d, data in enumerate(GROUPS["data"])
    for m, model in enumerate(GROUPS["model"])
]


def test_every_two_of_data_set_model_and_trainer_compose():
    for one, other in combinations(range(3), 2):
        assert {(each[one], each[other]) for each in PAIRS} == {(each[one], each[other]) for each in ALL}
    for_each_compose(PAIRS)


@pytest.mark.slow  # half a second each; `make test` composes every two of them
def test_every_data_set_composes_with_every_model_and_trainer():
    for_each_compose(ALL)


def for_each_compose(groups):
    for data, model, trainer in groups:
        params = compose_params(CONF, [f"data={data}", f"model={model}", f"trainer={trainer}"])
        check_all(params)
        assert (params["data"]["name"], params["model"]["name"]) == (data, model)


@pytest.mark.parametrize("file", [(group, name) for group, names in GROUPS.items() for name in names])
def test_every_file_in_conf_composes(file):
    group, name = file
    check_all(composed(f"{group}={name}"))


@pytest.mark.parametrize("data", GROUPS["data"])
def test_every_parameter_that_dvc_asks_for_is_there_whatever_the_data_set(data):
    params = composed(f"data={data}")
    files = [yaml.safe_load((CONF.parent / name).read_text())["stages"] for name in ("dvc.yaml", "data/dvc.yaml")]
    asked = {key for stages in files for stage in stages.values() for key in stage.get("params", []) if isinstance(key, str)}
    assert {"data.images", "data.leave_out"} <= asked
    for key in asked:
        found = params
        for part in key.split("."):
            assert part in found, key
            found = found[part]


WRONG = {  # override -> words of the sentence
    "+model.hiden_dims=[8]": r"^model.hiden_dims is not a known key; did you mean 'hidden_dims'\? allowed: .*dropout",
    "+validate.max_shar=1": r"^validate.max_shar is not a known key; did you mean 'max_share'\? allowed: max_share$",
    "+data.split.valfrac=0.1": r"^data.split.valfrac is not a known key; did you mean 'val_frac'",
    "+data.columns.0.rolle=key": r"^data.columns.impression_id.rolle is not a known key; did you mean 'role'",
    "+source.path=x": r"'source' is not a section of the configuration; allowed: seed, data, exchange",
    "validate.max_share=2": r"^validate.max_share: got 2; input should be less than or equal to 1$",
    "data.split.val_frac=1.5": r"^data.split.val_frac: got 1.5; input should be less than 1$",
    "data.split.by=moon": r"^data.split.by: got 'moon'; input should be 'time', 'row' or 'random'$",
    "train.lr=true": r"^train.lr: got true, a number or a word is expected$",
    "train.min_delta=inf": r"^train.min_delta: got inf; input should be a finite number$",
    "baselines.prior_impressions=[-1]": r"^baselines.prior_impressions.0: got -1; input should be greater than 0$",
    "baselines.lightgbm_num_leaves=[1]": r"^baselines.lightgbm_num_leaves.0: got 1; input should be greater than or equal to 2",
    "export.batch_sizes=[0]": r"^export.batch_sizes.0: got 0; input should be greater than or equal to 1$",
    "export.max_difference=inf": r"^export.max_difference: got inf; input should be a finite number$",
    "evaluate.slices=[nosuch]": r"^evaluate.slices names 'nosuch', by which rows cannot be sliced; allowed: hour, .*cold_start$",
    "evaluate.slices=[is_click]": r"^evaluate.slices names 'is_click', by which rows cannot be sliced; allowed: hour",
    "data=bank_marketing,evaluate.slices=[cold_start]": r"^evaluate.slices names 'cold_start', which needs a column with",
    "data=bank_marketing,evaluate.resample_by=entity": r"^evaluate.resample_by is entity, but no column of data set bank",
    'data.source.files="*.csv"': r"^data.source.files: got '\*.csv'; write a list: \['\*.csv'\]$",
    "+data.source.format.delimiter=''": r"^data.source.format.delimiter: delimiter must be a character, .*, got ''; a tab is",
    "train.lr=fast": r"^train.lr: got 'fast'; input should be a valid number",
    "model.hidden_dims=[0]": r"^model.hidden_dims.0: got 0; input should be greater than or equal to 1$",
    "seed=-1": r"^seed: got -1; input should be greater than or equal to 0$",
    "seed=null": r"^seed: got None; input should be a valid integer$",
    "model=resnet": r"Could not find 'model/resnet' Available options in 'model': dcnv2 deepfm",
    "validate.maxshare=1": r"Could not override 'validate.maxshare'",
    "~validate.max_share": r"^validate.max_share is required and was not given; set it in conf/$",
    "~train": r"^section 'train' is missing; it comes from conf/config.yaml$",
}


@pytest.mark.parametrize("override", WRONG)
def test_a_wrong_key_or_value_is_one_sentence(override):
    with pytest.raises(ConfigError, match=WRONG[override]) as error:
        check_all(composed(*re.split(r",(?=\w+\.)", override)))
    assert "\n" not in str(error.value)


def test_seed_0_is_a_seed():
    params = composed("seed=0")
    check_all(params)
    assert (params["seed"], params["train"]["seed"]) == (0, 0)


@pytest.fixture
def conf_here(project):
    (project / "conf").symlink_to(CONF)
    (project / "stages").symlink_to(CONF.parent / "stages")
    return project


def test_compose_writes_what_conf_says(conf_here, monkeypatch, capsys):
    monkeypatch.delenv("DVC_EXP_NAME", raising=False)
    Path("params.yaml").write_text("validate: {max_share: 0.9}\n")
    compose.main()
    assert load_params() == composed()
    assert Path("params.yaml").read_text().startswith("# Composed from conf/")
    assert os.readlink("data/source") == "../stages/simulate"
    assert capsys.readouterr().out.startswith("compose: wrote params.yaml for data=simulated model=")


def test_compose_keeps_params_of_an_experiment_and_still_checks_them(conf_here, monkeypatch):
    monkeypatch.setenv("DVC_EXP_NAME", "warm-otter")
    params = composed() | {"seed": 41}
    text = yaml.safe_dump(params)
    Path("params.yaml").write_text(text)
    compose.main()
    assert Path("params.yaml").read_text() == text
    Path("params.yaml").write_text(yaml.safe_dump(params | {"seed": "many"}))
    with pytest.raises(ConfigError, match="seed: got 'many'"):
        compose.main()


def test_an_experiment_without_overrides_leaves_what_conf_says(conf_here, monkeypatch):
    monkeypatch.setenv("DVC_EXP_NAME", "warm-otter")
    Path("params.yaml").write_text(yaml.safe_dump(composed()))
    compose.main()
    assert Path("params.yaml").read_text().startswith("# Composed from conf/")


def test_the_source_link_follows_the_declaration(project):
    (project / "here").mkdir()
    link_source(Source(kind="files", path="here", files=("*.csv",)))
    assert Path("data/source").resolve() == project / "here"
    link_source(Source(kind="files", path=str(project), files=("*.csv",)))
    assert Path("data/source").resolve() == project
    with pytest.raises(ConfigError, match="data.source.path 'gone' does not exist"):
        link_source(Source(kind="files", path="gone", files=("*.csv",)))


def test_params_that_cannot_be_read_say_what_to_run(project):
    with pytest.raises(ConfigError, match="params.yaml is missing; run `python -m stages.compose`"):
        load_params()
    Path("params.yaml").write_text("a: [")
    with pytest.raises(ConfigError, match="params.yaml is not YAML"):
        load_params()
    Path("params.yaml").write_text("- a")
    with pytest.raises(ConfigError, match="holds no mapping of sections"):
        load_params()


def test_a_source_of_the_wrong_kind_is_named():
    with pytest.raises(ConfigError, match="^data.source.kind: got 'ftp'; input should be 'exchange', 'files' or 'served'"):
        check_section("data.source", {"kind": "ftp", "files": ["a"]}, Source)


def test_a_misspelt_key_is_named_though_the_right_one_is_missing_then():
    params = composed()
    params["train"]["warmup_fracc"] = params["train"].pop("warmup_frac")
    with pytest.raises(ConfigError, match=r"train.warmup_fracc is not a known key; did you mean 'warmup_frac'\?"):
        check_all(params)
