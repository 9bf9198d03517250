"""What a user may ask of the rollout that is under way: pause, resume, abort, promote; and how it stands."""

import getpass
from dataclasses import replace
from datetime import UTC, datetime

from contracts.clock import clock
from lifecycle.rollout.control.control import Control, changing
from lifecycle.rollout.control.files import (
    Action,
    Decision,
    Remembered,
    read_decisions,
    read_rollout,
    read_state,
    write_state,
)
from lifecycle.rollout.control.look import settled, take
from lifecycle.rollout.control.rules import days_in_force, in_words, number_of
from lifecycle.rollout.rollout import Rollout

NONE = "no rollout is under way; `make rollout` begins one with the newest export"
LAST = 5  # decisions that status shows


def asked(control: Control, action: Action, why: str) -> Rollout:
    """The rollout after a user's `pause`, `resume`, `abort` or `promote`. Raises ValueError if it cannot be."""
    if action in ("abort", "promote") and not why.strip():
        raise ValueError(f'{action} needs a reason, which is kept: make rollout SET={action} WHY="..."')
    with changing(control.root):
        if action == "abort":
            _drop_undone(control)
        remembered = settled(control)
        if remembered is None or remembered.rollout.status == "ended":
            raise ValueError(NONE)
        status = remembered.rollout.status
        if (action, status) in (("pause", "paused"), ("resume", "running")):
            raise ValueError(f"the rollout is {status} already ({remembered.rollout.name})")
        decision = Decision(
            at_ns=clock().now_ns(),
            step=number_of(remembered.rollout),
            action=action,
            reasons=(why,) if why.strip() else (),
            who=getpass.getuser(),
        )
        return take(control, remembered, decision).rollout


def status_lines(control: Control) -> list[str]:
    """How the newest rollout stands, for a terminal."""
    rollout = read_rollout(control.root)
    if rollout is None:
        return ["there never was a rollout; `make rollout` begins one with the newest export"]
    folder = control.folder(rollout)
    remembered, decisions = read_state(folder), read_decisions(folder)
    lines = [f"{rollout.name}: release {rollout.challenger} beside {rollout.champion}, {_stands(remembered)}"]
    if rollout.steps and rollout.status != "ended":
        number = number_of(rollout)
        step, days = remembered.config.steps[number], days_in_force(rollout, clock().now_ns(), number)
        of = f"step {number + 1} of {len(remembered.config.steps)}, {in_words(step)}"
        lines.append(f"{of}: {days:.1f} of {step.days:g} days")
    judged = [one.judgement for one in decisions if one.judgement is not None]
    for metric in judged[-1].metrics if judged else ():
        lines.append(f"{metric.metric}{f' {metric.subject}' if metric.subject else ''}: {metric.verdict}: {metric.reason}")
    for one in decisions[-LAST:]:
        lines.append(f"{_moment(one.at_ns)} {one.action} by {one.who}{': ' if one.reasons else ''}{'; '.join(one.reasons)}")
    return lines


def _drop_undone(control: Control) -> None:
    """What was decided and could not be done is not done any more, unless users have the challenger already."""
    rollout = read_rollout(control.root)
    if rollout is None or rollout.status == "ended" or control.store.active() == rollout.challenger:
        return
    folder = control.folder(rollout)
    remembered, decisions = read_state(folder), read_decisions(folder)
    if decisions and remembered.acted < len(decisions):
        write_state(folder, replace(remembered, acted=len(decisions)))


def _stands(remembered: Remembered) -> str:
    rollout = remembered.rollout
    if rollout.status == "running":
        return f"under way since {_moment(rollout.begun_ns)}"
    why = f": {rollout.why}" if rollout.why else ""
    if rollout.status == "paused":
        return f"paused by {rollout.who}{why}"
    return f"ended {_moment(rollout.ended_ns or 0)}, {rollout.outcome} by {rollout.who}{why}"


def _moment(at_ns: int) -> str:
    return f"{datetime.fromtimestamp(at_ns / 1e9, UTC):%Y-%m-%d %H:%M}"
