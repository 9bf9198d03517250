"""Fixtures that tests of several folders share."""

import pytest


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty folder as the working directory: stages read and write below it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
