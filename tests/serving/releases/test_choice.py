"""What `make serve` begins with: the release of before, the champion, or the first export; and what it says of a newer one."""

import shutil
from pathlib import Path

import pytest

from contracts.lifecycle.champion import CHAMPION, POINTER
from contracts.serving.release_log import read
from contracts.serving.releases import EXPORTED
from serving.releases.choice import NEWER, UNPROMOTED, choose_release
from serving.releases.store import Store
from tests.serving.served_world import exported_with


@pytest.fixture
def store(project, exported) -> Store:
    """Of a project folder with an export, where nothing was released and nothing promoted."""
    shutil.copytree(exported / EXPORTED, EXPORTED)
    return Store(Path("models"))


@pytest.fixture(scope="module")
def champion(exported, tmp_path_factory) -> Path:
    return exported_with(exported, tmp_path_factory.mktemp("champion") / "repository", max_batch_size=512)


def log(store: Store) -> list[tuple]:
    return [(entry["event"], entry["version"], entry["before"], *entry["reasons"]) for entry in read(store.folder)[0]]


def test_the_first_export_is_served_while_nothing_was_promoted(store):
    assert choose_release(store) == UNPROMOTED
    assert store.active() == 1 and log(store) == [("release", 1, None, "the first release")]
    assert choose_release(store) is None and len(log(store)) == 1


def test_the_champion_is_served_first_where_there_is_one(store, champion):
    shutil.copytree(champion, CHAMPION / "repository/embedded")
    (CHAMPION / "export").mkdir()
    (CHAMPION / "export/manifest.json").touch()
    assert choose_release(store) is None
    assert store.active() == store.released(champion) == 1 and store.released(EXPORTED) is None
    assert choose_release(store) == NEWER.format(1)


def test_a_newer_export_waits_for_a_deployment(store, exported, champion):
    choose_release(store)
    shutil.rmtree(EXPORTED)
    shutil.copytree(champion, EXPORTED)
    assert choose_release(store) == NEWER.format(1) and store.versions() == [1]


def test_another_repository_is_served_when_it_is_asked_for(store, champion):
    choose_release(store)
    assert choose_release(store, champion) is None
    assert store.active() == 2 and log(store)[1] == ("release", 2, 1, f"asked for by --exported {champion}")
    assert choose_release(store, EXPORTED) is None and store.active() == 1


def test_what_is_not_here_is_said(store):
    with pytest.raises(ValueError, match="there is no repository nowhere; the champion's comes by `dvc pull champion/model.dvc`"):
        choose_release(store, Path("nowhere"))
    CHAMPION.parent.mkdir()
    POINTER.touch()
    with pytest.raises(ValueError, match="champion/model is not here; `dvc pull champion/model.dvc` brings the champion"):
        choose_release(store)


def test_nothing_exported_and_nothing_released_is_for_the_server_to_say(project):
    assert choose_release(Store(Path("models"))) is None
