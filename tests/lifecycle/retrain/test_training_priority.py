"""How a training stands back: within its session, and as a session beside others."""

import os
import subprocess
import sys

import pytest

from lifecycle.retrain.training.__main__ import AUTOGROUP
from tests.project.imports import ROOT

SHOW = """
import os
from lifecycle.retrain.training.__main__ import AUTOGROUP, yield_to_others

yield_to_others({nice})
print(os.nice(0), os.sched_getscheduler(0) == os.SCHED_IDLE, AUTOGROUP.read_text().split()[-1] if AUTOGROUP.is_file() else "-")
"""


def stood_back(nice: int, has_own_session: bool) -> list[str]:
    command = [sys.executable, "-c", SHOW.format(nice=nice)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.check_output(command, text=True, start_new_session=has_own_session, env=environment).split()


def beside(nice: int) -> str:
    """What becomes of us with so much more."""
    return str(min(19, os.nice(0) + nice))


@pytest.mark.parametrize(("nice", "is_idle"), [(19, "True"), (5, "False")])
def test_a_training_has_its_priority_and_so_has_its_session(nice, is_idle):
    session = str(nice) if AUTOGROUP.is_file() else "-"
    assert stood_back(nice, has_own_session=True) == [beside(nice), is_idle, session]


def test_a_session_that_has_others_in_it_keeps_its_priority():
    before = AUTOGROUP.read_text().split()[-1] if AUTOGROUP.is_file() else "-"
    assert stood_back(7, has_own_session=False) == [beside(7), "False", before]
