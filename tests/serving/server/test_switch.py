"""A version takes over from another while clients ask, and one that does not load takes over from nobody."""

import time
from pathlib import Path

import pytest

from serving.releases.store import Store
from serving.server.switch import switch
from tests.serving.doors import over_grpc, packed
from tests.serving.load import load
from tests.serving.pictures import encoded
from tests.serving.served_world import REPOSITORY, exported_with, serving, spoil

pytestmark = pytest.mark.triton


@pytest.fixture(scope="module")
def second(exported, tmp_path_factory) -> Path:
    """The same model with another limit: another export."""
    return exported_with(exported, tmp_path_factory.mktemp("second") / "repository", max_batch_size=512)


@pytest.fixture(scope="module")
def server(exported, tmp_path_factory):
    """A server whose versions these tests change; each leaves version 1 serving."""
    with serving(tmp_path_factory.mktemp("deployed"), exported / REPOSITORY) as running:
        yield running


@pytest.fixture
def store(server) -> Store:
    return Store(Path(server.config.store))


def served(server, exported_rows, spec) -> list[int]:
    reply = over_grpc(server, packed(exported_rows[:1], spec))
    assert reply.code == "OK", reply.error
    return reply.version.tolist()


@pytest.mark.parametrize("images", [None, [encoded(color=(3, 3, 3))]])
def test_a_new_version_and_the_way_back_fail_no_request(server, store, second, exported_rows, spec, images):
    with load(server, exported_rows, spec, images=images) as asked:
        time.sleep(0.3)
        switch(store, server.admin, store.release(second))
        time.sleep(0.3)
        switch(store, server.admin, 1)
        time.sleep(0.3)
        assert served(server, exported_rows, spec) == [1]
    assert dict(asked.reasons) == {} and not asked.wrong
    found = [int(reply.version[0]) for _, reply in sorted(asked.answered, key=lambda item: item[0])]
    assert found[0] == found[-1] == 1 and found.count(2) > 50
    assert store.active() == 1 and server.admin.versions("ctr") == [1]


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (spoil, "ONNX Runtime: Failed to load model because protobuf parsing failed"),
        (
            lambda version: (version / "ctr_packed.onnx").write_bytes(b"other"),
            "ctr_packed.onnx was changed after the export: its sha-256 is",
        ),
    ],
)
def test_a_version_that_does_not_load_leaves_the_one_before_serving(
    server, store, exported, tmp_path, exported_rows, spec, break_it, words
):
    broken = store.release(exported_with(exported, tmp_path / "repository", max_batch_size=700 + len(store.versions())))
    folder = store.folder / "ctr" / str(broken)
    for path in folder.glob("*.*"):
        path.chmod(0o644)
    break_it(folder)
    with load(server, exported_rows, spec, clients=4) as asked:
        said = f"version {broken} was refused, version 1 is still being served: model 'ctr' was not loaded: .*({words})"
        with pytest.raises(ValueError, match=said) as refused:
            switch(store, server.admin, broken)
        time.sleep(0.5)
    assert len(str(refused.value).splitlines()) == 1 and "Traceback" not in str(refused.value)
    assert dict(asked.reasons) == {} and not asked.wrong and asked.versions() == [1]
    assert store.active() == 1 and server.admin.versions("ctr") == [1]
