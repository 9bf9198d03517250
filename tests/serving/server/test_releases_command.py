"""Releases are listed and pruned; what is served, and what was served before it, is never removed."""

import shutil
import sys
from pathlib import Path

import pytest

from serving.releases.store import Store
from serving.server import releases
from tests.serving.served_world import REPOSITORY, exported_with


@pytest.fixture(scope="module")
def five(exported, tmp_path_factory) -> Path:
    """A store with five releases, of which 3 is served and 2 was served before it."""
    folder = tmp_path_factory.mktemp("five")
    store = Store(folder / "models")
    store.release(exported / REPOSITORY)
    for number in range(2, 6):
        store.release(exported_with(exported, folder / f"export{number}", max_batch_size=100 * number))
    store.activate(2)
    store.activate(3)
    return store.folder


@pytest.fixture
def store(five, tmp_path) -> Store:
    return Store(shutil.copytree(five, tmp_path / "models"))


def command(monkeypatch, capsys, *arguments: str) -> list[str]:
    monkeypatch.setattr(sys, "argv", ["releases", *arguments])
    releases.main()
    return capsys.readouterr().out.splitlines()


def test_the_list_says_what_is_served_and_what_was_before(store, monkeypatch, capsys):
    lines = command(monkeypatch, capsys, "--store", str(store.folder))
    assert [line.split(",")[0] for line in lines] == [f"releases: version {n}" for n in range(1, 6)]
    assert lines[2].endswith("MiB, is served") and lines[1].endswith("MiB, was served before it")
    assert all(line.endswith("MiB") for line in (lines[0], *lines[3:]))


def test_an_empty_store_says_how_to_fill_it(tmp_path, monkeypatch, capsys):
    (line,) = command(monkeypatch, capsys, "--store", str(tmp_path / "none"))
    assert line.endswith("none/ holds none; `make serve` or `make deploy` makes the first")


@pytest.mark.parametrize(
    ("keep", "left"), [(1, [2, 3, 5]), (2, [2, 3, 4, 5]), (4, [2, 3, 4, 5]), (5, [1, 2, 3, 4, 5]), (99, [1, 2, 3, 4, 5])]
)
def test_pruning_keeps_the_newest_the_served_and_the_one_before(store, monkeypatch, capsys, keep, left):
    lines = command(monkeypatch, capsys, "--store", str(store.folder), "prune", "--keep", str(keep))
    gone = [number for number in range(1, 6) if number not in left]
    assert store.versions() == left and (store.active(), store.before()) == (3, 2)
    assert all(f"{number}" in lines[0] for number in gone) and ("removed nothing" in lines[0]) == (not gone)
    assert not [path for number in gone for path in store.folder.glob(f"*/{number}")]
    store.activate(2)
    assert store.active() == 2


def test_what_was_served_before_is_what_was_active_not_the_number_below(store):
    store.activate(5)
    assert (store.active(), store.before()) == (5, 3)
    store.activate(1)
    assert store.before() == 5
    assert store.prune(1) == [2, 3, 4]


def test_pruning_takes_along_what_a_killed_release_left_and_models_without_a_version(store):
    (store.folder / "creative_encoder" / "9").mkdir()
    shutil.copytree(store.folder / "ctr_careful" / "1", store.folder / "ctr_graph_1" / "1")
    (store.folder / "ctr_graph_1" / "config.pbtxt").write_text('name: "ctr_graph_1"\n')
    assert store.prune(1) == [1, 4]
    assert not (store.folder / "creative_encoder/9").exists() and not (store.folder / "ctr_graph_1").exists()
    assert store.models(3) == Store(store.folder).models(5)


def test_nothing_is_pruned_below_one(store):
    with pytest.raises(ValueError, match="expected to keep at least 1 release, got 0"):
        store.prune(0)
    assert store.versions() == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["prune"], "--keep"),
        (["prune", "--keep", "0"], "expected a whole number of releases, 1 or more, got '0'"),
        (["prune", "--keep", "-1"], "--keep"),
        (["prune", "--keep", "two"], "expected a whole number of releases, 1 or more, got 'two'"),
        (["purge"], "purge"),
    ],
)
def test_wrong_arguments_are_refused_and_nothing_is_removed(store, monkeypatch, capsys, arguments, words):
    with pytest.raises(SystemExit) as ended:
        command(monkeypatch, capsys, "--store", str(store.folder), *arguments)
    assert ended.value.code == 2 and words in capsys.readouterr().err
    assert store.versions() == [1, 2, 3, 4, 5]
