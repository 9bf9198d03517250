"""The project of these tests, as the working directory; whatever it has started is ended."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from lifecycle.sessions import members
from tests.lifecycle.retrain.retrain_world import RetrainedProject, made_project, until


@pytest.fixture
def make_project(tmp_path, monkeypatch) -> Iterator[Callable[..., RetrainedProject]]:
    def make(*settings: str) -> RetrainedProject:
        monkeypatch.chdir(tmp_path)
        return made_project(tmp_path, *settings)

    yield make
    for started in (tmp_path / "retraining").glob("*/.training/started.log"):
        noted = started.parent / "process.json"
        with suppress(AssertionError):  # one that ended before it came to life
            until(noted.is_file, 20)
        for pid in members(json.loads(noted.read_bytes())["pid"]) if noted.is_file() else ():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.fixture
def project(make_project) -> RetrainedProject:
    return make_project()


@pytest.fixture
def folder(project) -> Path:
    return project.folder
