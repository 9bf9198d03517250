"""A version takes over from another while clients ask, and one that does not load takes over from nobody."""

import shutil
import sys
import time
from pathlib import Path

import pytest
import yaml

from serving.releases.store import Store
from serving.server import deploy as deploy_command
from serving.server.deploy import deploy
from tests.serving.doors import over_grpc, packed
from tests.serving.load import load
from tests.serving.pictures import encoded
from tests.serving.served_world import REPOSITORY, VENV, exported_with, free_ports, serving, spoil

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
        deploy(store, server.admin, store.release(second))
        time.sleep(0.3)
        deploy(store, server.admin, 1)
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
            deploy(store, server.admin, broken)
        time.sleep(0.5)
    assert len(str(refused.value).splitlines()) == 1 and "Traceback" not in str(refused.value)
    assert dict(asked.reasons) == {} and not asked.wrong and asked.versions() == [1]
    assert store.active() == 1 and server.admin.versions("ctr") == [1]


@pytest.fixture
def command(tmp_path, monkeypatch, server, exported):
    """Runs `python -m serving.server.deploy` in a project folder whose server this is."""
    params = yaml.safe_load((exported / "params.yaml").read_text())
    named = ("http_port", "grpc_port", "metrics_port", "store", "secret_file")
    params["serving"]["server"] |= {name: getattr(server.config, name) for name in named}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    (tmp_path / ".venv-serving").symlink_to(VENV)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> None:
        monkeypatch.setattr(sys, "argv", ["deploy", *arguments])
        deploy_command.main()

    return run


def test_the_command_releases_and_goes_back(command, server, exported, second, tmp_path, capsys, exported_rows, spec):
    shutil.copytree(second, tmp_path / REPOSITORY)
    number = Store(Path(server.config.store)).release(second)
    command()
    assert served(server, exported_rows, spec) == [number]
    command()
    command("--version", "1")
    assert served(server, exported_rows, spec) == [1]
    assert capsys.readouterr().out.splitlines() == [
        f"deploy: version {number} is being served, before it was 1",
        f"deploy: version {number} is being served already",
        f"deploy: version 1 is being served, before it was {number}",
    ]
    command("--exported", str(exported / REPOSITORY))
    assert capsys.readouterr().out == "deploy: version 1 is being served already\n"


def test_an_export_that_does_not_load_never_reaches_the_running_server(
    command, server, store, exported, tmp_path, capsys, exported_rows, spec
):
    broken = exported_with(exported, tmp_path / "repository", max_batch_size=333)
    spoil(broken / "ctr" / "1")
    before = store.versions()
    with pytest.raises(ValueError, match="Triton ended while it started: failed to load 'ctr' version 1: "):
        command("--exported", str(broken))
    assert capsys.readouterr().out == "deploy: trying the new version in a server of its own ...\n"
    assert store.versions() == before and store.active() == 1
    assert served(server, exported_rows, spec) == [1]


def test_the_command_says_what_is_not_there(command, server):
    (port,) = free_ports(1)
    with pytest.raises(ValueError, match=f"no server answers at 127.0.0.1:{port}; start one with `make serve`"):
        command("--http-port", str(port))
    with pytest.raises(ValueError, match="holds no exported model; run `make repro` first"):
        command()
    with pytest.raises(ValueError, match=r"has no version 99; it has \[1"):
        command("--version", "99")


def test_a_new_version_is_tried_apart_and_what_does_not_load_there_is_not_released(
    command, server, store, exported, tmp_path, capsys, exported_rows, spec
):
    made = exported_with(exported, tmp_path / REPOSITORY, max_batch_size=333)
    before = store.versions()
    command()
    assert store.versions() == [*before, before[-1] + 1] and served(server, exported_rows, spec) == [before[-1] + 1]
    assert "deploy: trying the new version in a server of its own ..." in capsys.readouterr().out
    command("--version", "1")
    shutil.rmtree(made)
    spoil(exported_with(exported, tmp_path / REPOSITORY, max_batch_size=334) / "ctr/1")
    released = store.versions()
    with pytest.raises(ValueError, match="Triton ended while it started: failed to load 'ctr'.*trial.log"):
        command()
    assert store.versions() == released and store.active() == 1
    assert served(server, exported_rows, spec) == [1]
