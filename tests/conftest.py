"""Fixtures that tests of several folders share."""

from pathlib import Path

import pytest

from tests.stages.exported_world import export_small_model


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty folder as the working directory: stages read and write below it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def exported(tmp_path_factory) -> Path:
    """A project folder with a small exported model (random weights), to be read only."""
    folder = tmp_path_factory.mktemp("exported")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        export_small_model(folder)
    return folder
