"""A rollout that waits too long for evidence is told as an alert."""

from collections.abc import Sequence
from dataclasses import replace

from lifecycle.alerts.own import OwnAlert, tell
from lifecycle.rollout.control.control import Control, Wait
from lifecycle.rollout.control.files import Remembered
from lifecycle.rollout.control.rules import DAY_NS


def tell_hold(control: Control, remembered: Remembered, waits: Sequence[Wait], now_ns: int) -> Remembered:
    """Since when it waits, with this look. The alert is on the disk before that is: whoever was killed in between tells no
    second one.
    """
    since_ns = remembered.waiting_since_ns
    if not waits:
        if since_ns is not None:
            _tell(control, remembered, "it has what it needs again", since_ns, now_ns, is_on=False)
        return replace(remembered, waiting_since_ns=None)
    if since_ns is None:
        return replace(remembered, waiting_since_ns=now_ns)
    if now_ns - since_ns >= control.config.hold_days * DAY_NS:
        _tell(control, remembered, "; ".join(wait.sentence for wait in waits), since_ns, now_ns, is_on=True)
    return remembered


def _tell(control: Control, remembered: Remembered, why: str, since_ns: int, now_ns: int, is_on: bool) -> None:
    rollout, days = remembered.rollout, (now_ns - since_ns) / DAY_NS
    alert = OwnAlert(
        area="rollout",
        subject=rollout.name,
        kind="hold",
        severity="warning",
        owner="whoever owns the model",
        sentence=f"the rollout of release {rollout.challenger} is on hold for {days:.1f} days: {why}",
        next_step='look at `make rollout SET=status`; `make rollout SET=abort WHY="..."` ends it',
        effect=days,
        unit="days",
        evidence={"rollout": rollout.name},
    )
    if control.alerts is not None and tell(control.alerts, alert, is_on):
        control.say(f"rollout: {'alert' if is_on else 'alert is over'}: {alert.sentence}")
