"""A project folder with a store, and the command."""

import sys

import pytest

from contracts.serving.route import Route
from lifecycle.route import __main__ as route_command
from serving.releases.store import Store
from tests.serving.small_store import small_store
from tests.stages.pipeline_world import CONF

ROOT = CONF.parent


@pytest.fixture
def store(tmp_path, monkeypatch) -> Store:
    """Of a project folder: releases 1 to 3, the first served by a route without a challenger."""
    made = small_store(tmp_path, releases=3)
    made.replace_route(None, Route(champion=1))
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    monkeypatch.chdir(tmp_path)
    return made


@pytest.fixture
def route(store, monkeypatch, capsys):
    """Runs the command and returns what it printed."""

    def run(words: str = "", *arguments: str) -> list[str]:
        monkeypatch.setattr(sys, "argv", ["route", *arguments, "--", *words.split()])
        route_command.main()
        return capsys.readouterr().out.splitlines()

    return run
