"""A copy of the project whose whole configuration is settled composes to what `make experiment` would have run."""

import shutil

import pytest

from contracts.dataset.config_errors import ConfigError
from stages.compose import compose_params
from stages.settle import settle
from tests.project.imports import ROOT

OVERRIDES = ["experiment=smoke", "train.lr=0.002", "exchange.months=[2026-05,2026-06]"]


@pytest.fixture
def copy(tmp_path):
    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    return tmp_path


def test_a_settled_copy_composes_without_overrides_to_the_same(copy):
    wanted = compose_params(copy / "conf", OVERRIDES)
    assert wanted != compose_params(copy / "conf")
    settle(copy, OVERRIDES)
    assert compose_params(copy / "conf") == wanted and wanted["train"]["lr"] == 0.002
    settle(copy, ["train.lr=0.003"])
    assert compose_params(copy / "conf") == {**wanted, "train": {**wanted["train"], "lr": 0.003}}


def test_what_is_no_override_leaves_the_copy_as_it_was(copy):
    before = (copy / "conf/config.yaml").read_bytes()
    with pytest.raises(ConfigError, match="train.l is not a known key"):
        settle(copy, ["train.l=0.002"])
    assert (copy / "conf/config.yaml").read_bytes() == before


def test_a_project_of_its_own_keeps_its_configuration(copy):
    (copy / ".git").mkdir()
    with pytest.raises(ValueError, match=r"is a project of its own, whose conf/config.yaml would be lost"):
        settle(copy, [])
