"""A look at the rollout that is under way: what was decided and not done is done, the route is renewed, the evidence judged."""

from dataclasses import replace
from datetime import UTC, datetime

from contracts.clock import clock
from contracts.serving.release_log import read
from lifecycle.rollout.control.alert import tell_hold
from lifecycle.rollout.control.control import Control, LookEvidence, changing
from lifecycle.rollout.control.effects import blown, effect_of, is_ours
from lifecycle.rollout.control.files import (
    Action,
    Decision,
    Remembered,
    append_decision,
    read_decisions,
    read_rollout,
    read_state,
    write_state,
)
from lifecycle.rollout.control.rules import NextAction, number_of, wanted
from lifecycle.rollout.rollout import DECISIONS, Rollout
from lifecycle.route.change import set_route
from lifecycle.route.words import Change
from serving.releases.routing import in_words


def look_once(control: Control) -> list[Decision]:
    """What was decided, in order; empty if there is no rollout under way, or nothing has changed.

    Raises ValueError or OSError if what was decided could not be done yet: the next look does it.
    """
    taken = len(read_decisions(control.folder(rollout))) if (rollout := read_rollout(control.root)) is not None else 0
    with changing(control.root):
        remembered = settled(control)
        if remembered is None or remembered.rollout.status == "ended":
            return _since(control, rollout, taken)
        control = under(control, remembered)
        remembered = _attended(control, remembered)
    if remembered.rollout.status == "running":
        seen = control.observe(control, remembered.rollout)
        with changing(control.root):
            found = settled(control)
            if found is not None and found.rollout == remembered.rollout:  # nobody has changed it meanwhile
                _judged(control, found, seen)
    return _since(control, remembered.rollout, taken)


def settled(control: Control) -> Remembered | None:
    """The newest rollout, with all that was decided done; None if there is none. The caller holds the lock of changes."""
    rollout = read_rollout(control.root)
    if rollout is None:
        return None
    folder = control.folder(rollout)
    remembered, decisions = read_state(folder), read_decisions(folder)
    if remembered.acted > len(decisions):
        lost = f"{remembered.acted} decisions were acted upon, and {len(decisions)} are in {DECISIONS}; bring the file back"
        raise ValueError(f"{folder}: {lost}")
    if not decisions and rollout.status == "running":
        return take(control, remembered, Decision(at_ns=rollout.begun_ns, step=0, action="begin", who=rollout.who))
    for decision in decisions[remembered.acted :]:
        remembered = act(control, remembered, decision)
    return remembered


def take(control: Control, remembered: Remembered, decision: Decision) -> Remembered:
    """Write the decision down, then act upon it."""
    append_decision(control.folder(remembered.rollout), decision)
    return act(control, remembered, decision)


def act(control: Control, remembered: Remembered, decision: Decision) -> Remembered:
    """What is remembered after the decision has had its effect."""
    after = effect_of(under(control, remembered), remembered, decision)
    after = replace(after, acted=remembered.acted + 1)
    write_state(control.folder(after.rollout), after)
    control.say(line_of(control, after, decision))
    return after


def under(control: Control, remembered: Remembered) -> Control:
    """With the rules that the rollout began with; how often is looked, and for how long a route is valid, may change."""
    config, now = remembered.config, control.config
    return replace(control, config=replace(config, folder=now.folder, every_s=now.every_s, valid_s=now.valid_s))


def line_of(control: Control, remembered: Remembered, decision: Decision) -> str:
    """What a person reads of a decision."""
    at = datetime.fromtimestamp(decision.at_ns / 1e9, UTC)
    reasons = "; ".join(decision.reasons)
    step = f"step {decision.step + 1} of {len(remembered.config.steps)}"
    return f"rollout: {remembered.rollout.name} {at:%Y-%m-%d %H:%M} {decision.action}, {step}{': ' if reasons else ''}{reasons}"


def _attended(control: Control, remembered: Remembered) -> Remembered:
    """The route is renewed; or it has ended: its fuse has blown, or somebody else has changed it."""
    rollout, now_ns = remembered.rollout, clock().now_ns()
    number = number_of(rollout)
    if (fuse := blown(control, rollout)) is not None:
        evidence = ", ".join(f"{name} {value}" for name, value in fuse.evidence.items())
        reasons = (f"the fuse blew: {fuse.reason}{f' ({evidence})' if evidence else ''}",)
        return take(control, remembered, Decision(at_ns=now_ns, step=number, action="back", reasons=reasons))
    if not is_ours(control, remembered):
        return take(control, remembered, _taken_over(control, rollout, number, now_ns))
    if rollout.status == "running":
        set_route(control.store, Change(verb="renew"), control.routing, control.config.valid_s, "")
    return remembered


def _taken_over(control: Control, rollout: Rollout, number: int, now_ns: int) -> Decision:
    """Somebody else has changed the route. Raises ValueError if it is only broken: the one before goes on."""
    route = control.store.route()
    lines = [line for line in read(control.store.folder)[0] if line["event"] in ("route", "release", "rollback")]
    who, why = (lines[-1]["by"], "; ".join(lines[-1]["reasons"])) if lines else ("somebody", "")
    said = f": {why}" if why else ""
    action: Action
    if control.store.active() == rollout.challenger:
        reason, action = f"{who} has deployed it{said}", "promote"
    else:
        shown = "there is no route" if route is None else in_words(route)
        reason, action = f"{who} has changed the route{said} ({shown})", "abort"
    return Decision(at_ns=now_ns, step=number, action=action, reasons=(reason,), who=who)


def _judged(control: Control, remembered: Remembered, seen: LookEvidence) -> None:
    """Write down what is new in the evidence, and act upon it."""
    rollout, now_ns = remembered.rollout, clock().now_ns()
    next_one = wanted(rollout, control.config, seen, now_ns)
    last = max((one.judgement.until_ns for one in read_decisions(control.folder(rollout)) if one.judgement), default=0)
    new = [judgement for judgement in seen.judgements if judgement.until_ns > last]
    kinds, number = tuple(sorted({wait.kind for wait in seen.waits})), number_of(rollout)
    for judgement in new[:-1]:  # of days that became final together
        said = Decision(at_ns=now_ns, step=number, action="hold", judgement=judgement, reasons=judgement.reasons)
        remembered = take(control, remembered, said)
    if next_one.action != "hold" or new or kinds != remembered.waits:
        remembered = take(control, remembered, _decision(next_one, seen, now_ns))
    if remembered.rollout.status == "running":
        _waited(control, replace(remembered, waits=kinds), seen, now_ns)


def _decision(found: NextAction, seen: LookEvidence, now_ns: int) -> Decision:
    judgement = seen.judgements[-1] if seen.judgements else None
    return Decision(at_ns=now_ns, step=found.step, action=found.action, judgement=judgement, reasons=found.reasons)


def _waited(control: Control, remembered: Remembered, seen: LookEvidence, now_ns: int) -> None:
    """Note since when it waits for evidence, and tell whoever is alerted, once, if that is too long."""
    after = tell_hold(control, remembered, seen.waits, now_ns)
    if after != read_state(control.folder(remembered.rollout)):
        write_state(control.folder(remembered.rollout), after)


def _since(control: Control, rollout: Rollout | None, taken: int) -> list[Decision]:
    return [] if rollout is None else read_decisions(control.folder(rollout))[taken:]
