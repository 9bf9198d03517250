"""How a training stands back: within its session, and as a session beside others."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lifecycle.retrain.training.__main__ import AUTOGROUP
from tests.project.imports import ROOT

SHARED = Path("/proc/sys/kernel/sched_autogroup_enabled")
SHOW = """
import os
from lifecycle.retrain.training.__main__ import yield_to_others
from tests.lifecycle.retrain.test_training_priority import session_priority

yield_to_others({nice})
print(os.nice(0), os.sched_getscheduler(0) == os.SCHED_IDLE, session_priority())
"""


def session_priority() -> str:
    """What our session has against others: `-` where Linux does not share processors among sessions, or ours was the first of
    all, which has none.
    """
    shown = AUTOGROUP.read_text().split() if AUTOGROUP.is_file() else []
    return shown[-1] if shown else "-"


def shares_among_sessions() -> bool:
    return SHARED.is_file() and SHARED.read_text().strip() == "1"


def stood_back(nice: int, has_own_session: bool) -> list[str]:
    command = [sys.executable, "-c", SHOW.format(nice=nice)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.check_output(command, text=True, start_new_session=has_own_session, env=environment).split()


def beside(nice: int) -> str:
    """What becomes of us with so much more."""
    return str(min(19, os.nice(0) + nice))


@pytest.mark.parametrize(("nice", "is_idle"), [(19, "True"), (5, "False")])
def test_a_training_has_its_priority_and_so_has_its_session(nice, is_idle):
    session = str(nice) if shares_among_sessions() else "-"
    assert stood_back(nice, has_own_session=True) == [beside(nice), is_idle, session]


def test_a_session_that_has_others_in_it_keeps_its_priority():
    assert stood_back(7, has_own_session=False) == [beside(7), "False", session_priority()]
