"""The store of releases: numbered, whole, never changed, and never two under one number."""

import hashlib
import json
import shutil
import stat
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

from serving.releases.store import Store
from serving.triton.package import check_package
from tests.serving.served_world import REPOSITORY, exported_with

MODELS = ["creative_encoder", "ctr", "ctr_by_name", "ctr_careful"]


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "models")


@pytest.fixture(scope="module")
def first(exported) -> Path:
    return exported / REPOSITORY


@pytest.fixture(scope="module")
def second(exported, tmp_path_factory) -> Path:
    """The same model with another limit: another export."""
    return exported_with(exported, tmp_path_factory.mktemp("second") / "repository", max_batch_size=512)


@pytest.fixture
def own(first, tmp_path) -> Path:
    """A copy of the export that may be spoilt."""
    return shutil.copytree(first, tmp_path / "own")


def content(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def served_versions(store: Store, model: str) -> list[int]:
    config = text_format.Parse((store.folder / model / "config.pbtxt").read_text(), ModelConfig())
    return list(config.version_policy.specific.versions)


def test_a_release_is_the_export_read_only(store, first):
    assert store.versions() == [] and store.active() is None
    assert store.release(first) == 1
    assert store.versions() == [1]
    assert sorted(store.models(1)) == MODELS
    for name in MODELS:
        assert content(store.folder / name / "1") == content(first / name / "1")
        check_package(store.folder / name / "1")
        for path in (store.folder / name / "1").rglob("*"):
            assert path.is_dir() or stat.S_IMODE(path.stat().st_mode) & 0o222 == 0


def test_the_same_export_has_one_number_and_a_changed_one_the_next(store, first, second):
    assert [store.release(export) for export in (first, first, second, first, second)] == [1, 1, 2, 1, 2]
    assert store.versions() == [1, 2]


def test_a_later_release_leaves_an_earlier_one_as_it_was(store, first, second):
    store.activate(store.release(first))
    before = {name: content(store.folder / name / "1") for name in MODELS}
    store.activate(store.release(second))
    assert {name: content(store.folder / name / "1") for name in MODELS} == before


def test_activation_says_what_is_served_and_an_older_version_can_be_served_again(store, first, second):
    for export in (first, second):
        store.activate(store.release(export))
    assert store.active() == 2
    limits = text_format.Parse((store.folder / "ctr" / "config.pbtxt").read_text(), ModelConfig())
    assert limits.max_batch_size == 512
    store.activate(1)
    assert store.active() == 1 and served_versions(store, "ctr") == served_versions(store, "ctr_by_name") == [1]
    limits = text_format.Parse((store.folder / "ctr" / "config.pbtxt").read_text(), ModelConfig())
    assert limits.max_batch_size == 1024


def test_models_that_ctr_calls_keep_the_version_before_for_calls_under_way(store, first, second):
    store.activate(store.release(first))
    assert served_versions(store, "creative_encoder") == [1]
    store.activate(store.release(second))
    assert served_versions(store, "creative_encoder") == [1, 2]


def test_a_version_that_is_not_there_cannot_be_activated(store, first):
    store.release(first)
    with pytest.raises(ValueError, match=r"models has no version 9; it has \[1\]"):
        store.activate(9)


def test_a_folder_without_an_export_is_refused(store, tmp_path):
    with pytest.raises(ValueError, match="holds no exported model; run `make repro` first"):
        store.release(tmp_path)
    assert not store.folder.exists()


NO_LIST = "package.json is not the list of files that the export writes"


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def replace_by_nothing(path: Path) -> None:
    """By a link that leads nowhere."""
    path.unlink()
    path.symlink_to("nowhere")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (
            lambda v: (v / "ctr_packed.onnx").write_bytes(b"other"),
            r"ctr_packed.onnx was changed after the export: its sha-256 is d9298a10d1b0",
        ),
        (lambda v: (v / "native.txt").unlink(), "native.txt is missing, though package.json lists it; export the model again"),
        (lambda v: (v / "stray.py").touch(), "stray.py is not listed in package.json; export the model again"),
        (lambda v: (v / "package.json").unlink(), "1/package.json is missing; export the model again"),
        (lambda v: cut_off(v / "package.json"), f"{NO_LIST}; export the model again"),
        (lambda v: (v / "package.json").write_text("[" * 100_000), NO_LIST),
        (lambda v: (v / "package.json").write_text("{}"), NO_LIST),
        (lambda v: (v / "package.json").write_text('{"files": {"a": 1}}'), NO_LIST),
        (lambda v: (v / "package.json").write_text('{"files": {}}'), "package.json lists no file; export the model again"),
        (lambda v: (v / "release/package.json").write_text("{}"), "release/package.json is not listed in package.json"),
        (lambda v: (v / "elsewhere").symlink_to(v.parent), "elsewhere is not listed in package.json"),
        (lambda v: replace_by_folder(v / "native.txt"), "native.txt is missing, though package.json lists it"),
        (lambda v: replace_by_nothing(v / "native.txt"), "native.txt is no file, though package.json lists it"),
    ],
)
def test_an_export_that_was_tampered_with_is_not_released(store, own, spoil, words):
    spoil(own / "ctr" / "1")
    with pytest.raises(ValueError, match=words):
        store.release(own)
    assert store.versions() == []


def test_what_a_killed_release_left_is_neither_served_nor_in_the_way(store, first, second):
    store.activate(store.release(first))
    (store.folder / "ctr" / ".2.partial").mkdir()
    (store.folder / "ctr" / ".2.partial" / "ctr_packed.onnx").write_bytes(b"half")
    half = store.folder / "creative_encoder" / "2"
    half.mkdir()
    (half / "creative_encoder.onnx").write_bytes(b"half")
    assert store.versions() == [1] and store.active() == 1
    assert store.release(second) == 2
    for name in MODELS:
        assert content(store.folder / name / "2") == content(second / name / "1")
    assert [path.name for path in store.folder.rglob("*.partial")] == []


def test_releases_at_once_do_not_collide(store, first, second):
    with ProcessPoolExecutor(4) as pool:
        numbers = list(pool.map(store.release, [first, second] * 4))
    assert set(numbers[::2]) | set(numbers[1::2]) == {1, 2}
    assert len(set(numbers[::2])) == len(set(numbers[1::2])) == 1
    for export, number in zip((first, second), numbers[:2], strict=True):
        for name in MODELS:
            assert content(store.folder / name / str(number)) == content(export / name / "1")


def test_the_digests_in_the_package_are_those_of_the_files(first):
    for name in MODELS:
        listed = json.loads((first / name / "1" / "package.json").read_text())["files"]
        assert listed == {key: value for key, value in content(first / name / "1").items() if key != "package.json"}
