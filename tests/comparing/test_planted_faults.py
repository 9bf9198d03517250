"""Ten planted faults are found and named, and other seeds alone are no alarm."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from contracts.dataset.declaration import Declaration
from stages import compare
from stages.comparing.comparison import compare_models
from stages.comparing.config import CompareConfig
from stages.comparing.models import read_candidate, read_champion
from stages.evaluation.config import EvaluateConfig
from stages.settings import load_section
from tests.comparing.compared_world import World, crown, inside, learn_logistic, make_model, world
from tests.comparing.network_world import learn_network
from tests.comparing.planted import FAULTS, Fault


def known_images(made: World) -> World:
    """When the champion was trained, half of the ads were not there yet."""
    return replace(made, images=dict(sorted(made.images.items())[: len(made.images) // 2]))


@pytest.fixture(scope="module")
def champion(tmp_path_factory) -> Path:
    return make_model(tmp_path_factory.mktemp("champion"), known_images(world()))


@pytest.fixture(scope="module")
def network_champion(tmp_path_factory) -> Path:
    return make_model(tmp_path_factory.mktemp("network"), known_images(world()), learn=learn_network)


def compared(folder: Path, champion: Path) -> dict[str, Any]:
    """What stage compare finds, without its page."""
    crown(champion, folder)
    with inside(folder):
        cfg, evaluate = load_section("compare", CompareConfig), load_section("evaluate", EvaluateConfig)
        declaration = load_section("data", Declaration)
        names, watched = compare.slice_names(cfg, evaluate, declaration)
        slices = [compare.read_slice(name, declaration, evaluate.max_slice_values) for name in names]
        paths = (compare.TEST_PATH, compare.CLEAN_DIR)
        return compare_models(cfg, read_champion(), read_candidate(), slices, watched, evaluate.confidence, *paths)


def assert_named(found: dict[str, Any], fault: Fault) -> None:
    assert (found["verdict"], found["passes"]) == ("suspicious", False)
    named = [one for one in found["findings"] if (one["kind"], one["cause"]) == (fault.kind, fault.cause)]
    assert len(named) == 1 and fault.words in named[0]["text"], found["reasons"]


def assert_no_alarm(found: dict[str, Any]) -> None:
    assert found["findings"] == [] and found["passes"], found["reasons"]


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found_and_named(tmp_path, champion, name):
    folder = make_model(tmp_path, FAULTS[name].plant(world()), seed=1)
    assert_named(compared(folder, champion), FAULTS[name])


@pytest.mark.parametrize("seed", [1, 2])
def test_another_seed_alone_is_no_alarm(tmp_path, champion, seed):
    assert_no_alarm(compared(make_model(tmp_path, world(), seed=seed), champion))


@pytest.mark.slow
@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_of_a_network_is_found_and_named(tmp_path, network_champion, name):
    folder = make_model(tmp_path, FAULTS[name].plant(world()), seed=1, learn=learn_network)
    assert_named(compared(folder, network_champion), FAULTS[name])


@pytest.mark.slow
@pytest.mark.parametrize("learn", [learn_logistic, learn_network])
def test_thirty_other_seeds_are_no_alarm(tmp_path, champion, network_champion, learn):
    """Of the same rows. It says that the thresholds lie above what a seed changes in data of this size, and no more."""
    base = champion if learn is learn_logistic else network_champion
    for seed in range(1, 31):
        folder = make_model(tmp_path / str(seed), world(), seed=seed, learn=learn)
        assert_no_alarm(compared(folder, base))
        shutil.rmtree(folder)
