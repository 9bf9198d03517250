"""A rollout that waits too long for evidence is told as an alert: a line of the monitor's log, which the monitor passes on."""

from collections.abc import Sequence
from dataclasses import replace

from lifecycle.alerts.alert import Alert, id_of
from lifecycle.alerts.log import AlertLog, alone
from lifecycle.rollout.control.control import Control, Wait
from lifecycle.rollout.control.files import Remembered
from lifecycle.rollout.control.rules import DAY_NS

AREA, KIND, RULE = "rollout", "hold", "rollout_on_hold"


def tell_hold(control: Control, remembered: Remembered, waits: Sequence[Wait], now_ns: int) -> Remembered:
    """Since when it waits, and whether that was told, with this look; the alert is on the disk before."""
    since_ns, told_ns = remembered.waiting_since_ns, remembered.told_ns
    if not waits:
        if since_ns is not None and told_ns is not None:
            _write(control, _alert(control, remembered, "it has what it needs again", since_ns, now_ns, is_over=True))
        return replace(remembered, waiting_since_ns=None, told_ns=None)
    if since_ns is None:
        return replace(remembered, waiting_since_ns=now_ns)
    if told_ns is None and now_ns - since_ns >= control.config.hold_days * DAY_NS:
        sentence = "; ".join(wait.sentence for wait in waits)
        _write(control, _alert(control, remembered, sentence, since_ns, now_ns, is_over=False))
        return replace(remembered, told_ns=now_ns)
    return remembered


def _alert(control: Control, remembered: Remembered, sentence: str, since_ns: int, now_ns: int, is_over: bool) -> Alert:
    rollout, days = remembered.rollout, (now_ns - since_ns) / DAY_NS
    key = f"{AREA}/{rollout.name}/{KIND}"
    return Alert(
        id=id_of(key, since_ns),
        event="resolved" if is_over else "began",
        key=key,
        rule=RULE,
        severity="warning",
        owner="",
        dataset=control.dataset,
        at_ns=now_ns,
        since_ns=since_ns,
        until_ns=now_ns if is_over else None,
        area=AREA,
        subject=rollout.name,
        kind=KIND,
        effect=days,
        unit="days",
        rows=0,
        release=rollout.challenger,
        sentence=f"the rollout of release {rollout.challenger} is on hold for {days:.1f} days: {sentence}",
        next_step='look at `make rollout SET=status`; `make rollout SET=abort WHY="..."` ends it',
        evidence={"rollout": rollout.name},
    )


def _write(control: Control, alert: Alert) -> None:
    control.say(f"rollout: {alert.event}: {alert.sentence}")
    if control.alerts is None:
        return
    with alone(control.alerts):
        log = AlertLog(control.alerts)
        known = log.last_of_each().get(alert.key)
        if known is None or (known.id, known.event) != (alert.id, alert.event):  # else we died after writing it
            log.append([alert])
