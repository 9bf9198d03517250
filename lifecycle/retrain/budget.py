"""What trainings have cost in a calendar month, and the alerts about it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lifecycle.alerts.log import AlertLog
from lifecycle.alerts.own import OwnAlert, tell
from lifecycle.retrain.calendar import month_of
from lifecycle.retrain.ledger import Training

AREA, OWNER = "retraining", "whoever owns the model"
LEVELS = (50, 80, 100)  # percent
HOUR_S = 3600


def spent_core_s(trainings: Sequence[Training], now_ns: int, running_core_s: float = 0.0) -> float:
    """Processor time of the calendar month; a training counts in the month in which it began.

    `running_core_s`: of one that runs.
    """
    month = month_of(now_ns)
    ours = [training for training in trainings if month_of(training.began.at_ns) == month]
    running = running_core_s if any(training.ended is None for training in ours) else 0.0
    return sum(training.ended.core_s for training in ours if training.ended is not None) + running


def tell_budget(monitor: Path, core_s: float, budget_core_hours: float, now_ns: int) -> None:
    """Alert at each level that is reached; with a new month those of the old one end."""
    month, share = month_of(now_ns), core_s / (budget_core_hours * HOUR_S)
    for level in LEVELS:
        if share >= level / 100:
            tell(monitor, _alert(month, level, core_s, budget_core_hours), True)
    for alert in AlertLog(monitor).open().values():
        if alert.area == AREA and alert.kind.startswith("budget") and alert.subject != month:
            ended = _alert(alert.subject, int(alert.kind.removeprefix("budget_")), 0.0, budget_core_hours)
            tell(monitor, replace(ended, sentence=f"{alert.subject} is over; the budget is that of {month}"), False)


def tell_failure(monitor: Path, why: str | None) -> None:
    """Alert that the last training failed, or that one has come to its end since."""
    alert = OwnAlert(
        area=AREA,
        subject="training",
        kind="failed",
        severity="warning",
        owner=OWNER,
        sentence=why or "a training has come to its end",
        next_step="see the log in its folder; make retrain SET=status says which",
        effect=1.0,
        unit="trainings",
    )
    tell(monitor, alert, why is not None)


def _alert(month: str, level: int, core_s: float, budget_core_hours: float) -> OwnAlert:
    over = "; no training begins before the next month" if level == 100 else ""
    spent = f"{core_s / HOUR_S:.2f} of {budget_core_hours:g} core hours"
    return OwnAlert(
        area=AREA,
        subject=month,
        kind=f"budget_{level}",
        severity="warning",
        owner=OWNER,
        sentence=f"trainings have taken {spent} of {month}, {level} % or more{over}",
        next_step="raise lifecycle.retraining.budget_core_hours, or train on less, a smaller model, or less often",
        effect=core_s / HOUR_S,
        unit="core hours",
        evidence={"budget_core_hours": budget_core_hours},
    )
