"""What was spent is kept, whatever happens to folders; who is to know of it is told once."""

import pytest

from lifecycle.alerts.log import AlertLog
from lifecycle.retrain.budget import spent_core_s, tell_budget, tell_failure
from lifecycle.retrain.calendar import time_ns
from lifecycle.retrain.ledger import (
    LEDGER,
    TrainingBegan,
    TrainingEnded,
    TrainingHanded,
    append,
    open_training,
    read_trainings,
)

SEPTEMBER, OCTOBER = time_ns("2026-09-30T23:00"), time_ns("2026-10-02")


def began(name: str, at_ns: int) -> TrainingBegan:
    return TrainingBegan(name=name, at_ns=at_ns, cause="drift", reason="r", rows=5, mature_until_ns=1, overrides=("a=1",))


def ended(outcome: str = "trained", core_s: float = 3600.0) -> TrainingEnded:
    return TrainingEnded(outcome=outcome, at_ns=OCTOBER, seconds=9.0, core_s=core_s)


def test_a_line_that_a_crash_cut_off_never_happened(tmp_path):
    append(tmp_path, "a", began("a", SEPTEMBER))
    with (tmp_path / LEDGER).open("ab") as lines:
        lines.write(b'{"format": 1, "event": "ended", "training": "a", "outc')
    assert [(one.name, one.ended) for one in read_trainings(tmp_path)] == [("a", None)]
    append(tmp_path, "a", ended())
    (found,) = read_trainings(tmp_path)
    assert found.ended == ended() and found.is_open and open_training([found]) is found
    append(tmp_path, "a", TrainingHanded(to="rollout", at_ns=OCTOBER, release=3))
    (found,) = read_trainings(tmp_path)
    assert found.began.overrides == ("a=1",) and not found.is_open and open_training([found]) is None
    assert open_training([]) is None


def test_a_ledger_of_another_version_is_refused(tmp_path):
    (tmp_path / LEDGER).write_text('{"format": 2}\n')
    with pytest.raises(ValueError, match="of another version of adclick"):
        read_trainings(tmp_path)


def test_a_training_counts_in_the_month_in_which_it_began(tmp_path):
    for name, at_ns, core_s in (("a", SEPTEMBER, 100.0), ("b", OCTOBER, 20.0), ("c", OCTOBER, 3.0)):
        append(tmp_path, name, began(name, at_ns))
        append(tmp_path, name, ended("failed", core_s))
    append(tmp_path, "d", began("d", OCTOBER))
    trainings = read_trainings(tmp_path)
    assert spent_core_s(trainings, OCTOBER, running_core_s=0.5) == 23.5
    assert spent_core_s(trainings, SEPTEMBER, running_core_s=0.5) == 100.0


def test_each_level_is_told_once_and_ends_with_its_month(tmp_path):
    def told(core_h: float, now_ns: int) -> list[tuple[str, str]]:
        before = [*AlertLog(tmp_path).since(0)]
        tell_budget(tmp_path, core_h * 3600, 10.0, now_ns)
        return [(alert.key, alert.event) for alert, _ in [*AlertLog(tmp_path).since(0)][len(before) :]]

    assert told(4.9, SEPTEMBER) == []
    assert told(5.0, SEPTEMBER) == [("retraining/2026-09/budget_50", "began")]
    assert told(5.0, SEPTEMBER) == []
    assert told(12.0, SEPTEMBER) == [(f"retraining/2026-09/budget_{level}", "began") for level in (80, 100)]
    last = AlertLog(tmp_path).last_of_each()["retraining/2026-09/budget_100"].sentence
    assert (
        last == "trainings have taken 12.00 of 10 core hours of 2026-09, 100 % or more; no training begins before the next month"
    )
    assert told(8.0, OCTOBER) == [
        *((f"retraining/2026-10/budget_{level}", "began") for level in (50, 80)),
        *((f"retraining/2026-09/budget_{level}", "resolved") for level in (50, 80, 100)),
    ]


def test_a_failure_is_told_until_a_training_comes_to_its_end(tmp_path):
    for why in ("x failed: no rows", "y failed", None, None):
        tell_failure(tmp_path, why)
    alerts = [alert for alert, _ in AlertLog(tmp_path).since(0)]
    assert [(alert.event, alert.key) for alert in alerts] == [
        ("began", "retraining/training/failed"),
        ("resolved", "retraining/training/failed"),
    ]
    assert alerts[0].sentence == "x failed: no rows" and alerts[0].id == alerts[1].id
