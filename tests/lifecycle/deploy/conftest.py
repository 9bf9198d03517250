"""A real server that is deployed to; what makes the reports, and what promotes, are programs of these tests."""

import json
import shutil
import sys
from collections.abc import Callable
from hashlib import sha256
from itertools import count
from pathlib import Path

import pytest
import yaml

from contracts.serving.releases import model_of
from lifecycle.deploy import __main__ as deploy_command
from lifecycle.deploy import evidence
from serving.releases.store import Store
from tests.lifecycle.deploy.deployed_world import served_as
from tests.serving.doors import over_grpc, packed
from tests.serving.served_world import REPOSITORY, VENV, exported_with, request_spec, serving

REPORT = """import json, sys, pathlib
name, content, code = sys.argv[1:]
if content: pathlib.Path(name).write_text(content)
pathlib.Path("asked.txt").open("a").write(name + "\\n")
sys.exit(int(code))
"""
SIZES = count()
PROMOTE = (
    '#!/bin/sh\nshift 2\ndvc || exit 1\necho "promote: $*" >> promoted.txt\nexit $(cat promote_ends 2>/dev/null || echo 0)\n'
)


@pytest.fixture(scope="module")
def server(exported, tmp_path_factory):
    """A server whose versions these tests change; each leaves version 1 serving."""
    with serving(tmp_path_factory.mktemp("deployed"), exported / REPOSITORY) as running:
        yield running


@pytest.fixture
def store(server) -> Store:
    return Store(Path(server.config.store))


@pytest.fixture
def project(tmp_path, monkeypatch, server, store, exported) -> Path:
    """A project folder whose server this is, with a champion of other weights, and a log that is empty."""
    (store.folder / "releases.jsonl").unlink(missing_ok=True)
    params = yaml.safe_load((exported / "params.yaml").read_text())
    named = ("http_port", "grpc_port", "metrics_port", "store", "secret_file")
    params["serving"]["server"] |= {name: getattr(server.config, name) for name in named}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    (tmp_path / ".venv-serving").symlink_to(VENV)
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/python").write_text(PROMOTE)
    (tmp_path / ".venv/bin/dvc").write_text("#!/bin/sh\n")  # which a promotion calls, and no PATH of a user has
    for name in ("python", "dvc"):
        (tmp_path / ".venv/bin" / name).chmod(0o755)
    (tmp_path / "report.py").write_text(REPORT)
    (tmp_path / "reports").mkdir()
    (tmp_path / "champion/model/export").mkdir(parents=True)
    (tmp_path / "champion/model/export/manifest.json").write_text("the champion's")
    served_as(tmp_path, sha256(b"the champion's").hexdigest())
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def reports(project, monkeypatch, exported) -> Callable[..., None]:
    """Say what comparison and gate will find about the candidate and the champion."""

    def find(name: str, ends: int = 0, writes: bool = True, **changes: object) -> None:
        about = {"candidate": model_of(exported / REPOSITORY), "champion": sha256(b"the champion's").hexdigest()}
        found = about | {"verdict": "better", "passes": True, "reasons": [f"{name} is content"]} | changes
        content = json.dumps(found) if writes else ""
        command = (sys.executable, "report.py", f"reports/{name}.json", content, str(ends))
        monkeypatch.setattr(evidence, {"comparison": "COMPARE", "gate": "GATE"}[name], command)

    find("comparison")
    find("gate")
    return find


@pytest.fixture
def deploy(monkeypatch) -> Callable[..., None]:
    def run(*arguments: str) -> None:
        monkeypatch.setattr(sys, "argv", ["deploy", *arguments])
        deploy_command.main()

    return run


@pytest.fixture
def new_candidate(project, exported) -> Path:
    """An export that was not released yet."""
    return exported_with(exported, project / REPOSITORY, max_batch_size=256 + next(SIZES))


@pytest.fixture(scope="module")
def other(server, exported, tmp_path_factory) -> Path:
    """A repository that the store has, so that it is not tried in a server of its own again."""
    made = exported_with(exported, tmp_path_factory.mktemp("other") / "repository", max_batch_size=128)
    Store(Path(server.config.store)).release(made)
    return made


@pytest.fixture
def candidate(project, other) -> Path:
    """An export that was released before, and is not served."""
    return Path(shutil.copytree(other, project / REPOSITORY))


def served(server, exported_rows, exported) -> int:
    reply = over_grpc(server, packed(exported_rows[:1], request_spec(exported)))
    assert reply.code == "OK", reply.error
    return int(reply.version[0])


@pytest.fixture
def answers(server, exported_rows, exported, deploy, project):
    """Which version answers; afterwards version 1 does so again."""
    yield lambda: served(server, exported_rows, exported)
    deploy("--version", "1")
