"""A report of the gate is taken again only if it would come out the same."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from lifecycle.gate import __main__ as gate
from lifecycle.gate.models import GatedModel
from tests.lifecycle.gate.gated_world import ROOT, gate_config

MODEL = GatedModel(
    name="candidate", repository=Path(), declaration=None, used=frozenset(), digest="a", served_as="x", training=None
)  # type: ignore[arg-type]
CHAMPION = replace(MODEL, name="champion", digest="b")
INSTALLED = {"program": "p", "backend": "q"}


@pytest.fixture
def about(project, monkeypatch):
    """What a report is about, with the settings and the server of now."""
    shutil.copy(ROOT / "params.yaml", project)
    monkeypatch.setattr(gate, "server_digests", lambda: INSTALLED)
    return gate.circumstances(MODEL, CHAMPION)


def written(found: dict) -> Path:
    path = Path("gate.json")
    path.write_text(json.dumps(found))
    return path


def test_a_report_about_the_same_is_taken(about):
    found = about | {"server": INSTALLED | {"triton": "2.51.0"}, "passes": False}
    assert gate.fresh_report(written(found), gate.circumstances(MODEL, CHAMPION)) == found


@pytest.mark.parametrize(
    "changes",
    [
        {"candidate": "c"},
        {"champion": "c"},
        {"champion": None},
        {"served_as": {"candidate": "y", "champion": "x"}},
        {"config": "0"},
        {"server": None},
        {"server": INSTALLED | {"backend": "r"}},
        {"server": {"triton": "2.51.0"}},
    ],
)
def test_a_report_about_something_else_is_not(about, changes):
    found = about | {"server": INSTALLED, "passes": True} | changes
    assert gate.fresh_report(written(found), about) is None


def test_without_a_report_there_is_none(about):
    assert gate.fresh_report(Path("gate.json"), about) is None


def test_the_champion_with_other_settings_of_serving_is_measured_beside_it(project, monkeypatch):
    """The same model; what it is served with may be slower."""
    asked = []
    monkeypatch.setattr(gate, "load_gate_config", gate_config)
    monkeypatch.setattr(gate, "load_server_config", SimpleNamespace)
    monkeypatch.setattr(gate, "run_checks", lambda config, server, candidate, beside, *_: asked.append(beside) or ([], None))
    for champion, beside in ((replace(MODEL, name="champion"), False), (replace(MODEL, name="champion", served_as="y"), True)):
        found = gate.gate(MODEL, champion)
        assert (asked.pop() is champion) is beside and found["passes"]
        assert (gate.SAME in found["reasons"][0]) is not beside
