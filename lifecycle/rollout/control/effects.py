"""What follows from a decision: the route, what is served, the champion. Done again after a crash, each comes to the same."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from contracts.serving.fuse import Fuse, read_fuse, shown
from contracts.serving.route import ppm_of
from lifecycle.deploy.lock import alone
from lifecycle.deploy.server import running_server
from lifecycle.deploy.tried import bring_in_tried, crown
from lifecycle.rollout.control.control import Control
from lifecycle.rollout.control.files import CONTROLLER, Action, Decision, Remembered
from lifecycle.rollout.control.rules import in_words
from lifecycle.rollout.rollout import Outcome, Rollout, Step
from lifecycle.route.change import set_route
from lifecycle.route.words import Change, Verb

Effect = Callable[[Control, Remembered, Decision], Remembered]


def effect_of(control: Control, remembered: Remembered, decision: Decision) -> Remembered:
    """The rollout after the decision, which has had its effect. Raises ValueError if it could not have it yet."""
    return EFFECTS[decision.action](control, remembered, decision)


def blown(control: Control, rollout: Rollout) -> Fuse | None:
    """The fuse of any of its routes: a step that has just ended may have blown it."""
    found = (read_fuse(control.store.folder, int(step.digest, 16)) for step in reversed(rollout.steps))
    return next((fuse for fuse in found if fuse is not None), None)


def is_ours(control: Control, remembered: Remembered) -> bool:
    """Is the route in force the one that we put there."""
    route = control.store.readable_route()
    return route is not None and route.trial is not None and shown(route.digest) == remembered.route


def _enter(control: Control, remembered: Remembered, decision: Decision) -> Remembered:
    """The decision's step is in force. Behind a blown fuse nothing is: the next look goes back."""
    rollout = replace(remembered.rollout, status="running", why="")
    if blown(control, rollout) is not None:
        return replace(remembered, rollout=rollout)
    step = control.config.steps[decision.step]
    share_ppm = ppm_of(repr(step.share))
    route = _routed(control, rollout, step.mode, share_ppm, None, f"{rollout.name}: {_why(decision, in_words(step))}")
    entered = Step(number=decision.step, mode=step.mode, share_ppm=share_ppm, digest=route, from_ns=decision.at_ns)
    return replace(
        remembered, route=route, rollout=replace(rollout, steps=(*_closed(rollout, decision.at_ns), entered)), waits=()
    )


def _hold(control: Control, remembered: Remembered, decision: Decision) -> Remembered:
    return remembered


def _pause(control: Control, remembered: Remembered, decision: Decision) -> Remembered:
    """The champion answers all; the challenger computes nothing, and stays where it is."""
    rollout = remembered.rollout
    paused = replace(
        rollout, status="paused", steps=_closed(rollout, decision.at_ns), why=_why(decision, "paused"), who=decision.who
    )
    if blown(control, rollout) is not None:
        return replace(remembered, rollout=paused)
    route = _routed(control, rollout, "shadow", 0, 0, f"{rollout.name}: paused: {_why(decision, '')}")
    return replace(remembered, route=route, rollout=paused)


def _back(control: Control, remembered: Remembered, decision: Decision) -> Remembered:
    """The champion answers all, as before; a route that somebody else made stays."""
    if is_ours(control, remembered):
        why = f"{remembered.rollout.name}: {decision.action}: {_why(decision, '')}"
        set_route(control.store, Change(verb="off"), control.routing, control.config.valid_s, why)
    return _ended(remembered, decision, "aborted" if decision.action == "abort" else "back")


def _promote(control: Control, remembered: Remembered, decision: Decision) -> Remembered:
    """The challenger is served, and the champion; if only the latter failed, `why` says so."""
    rollout, failed = remembered.rollout, ""
    forced = None if decision.who == CONTROLLER else _why(decision, "")
    verdict = "none" if decision.judgement is None else decision.judgement.verdict
    kept = {"name": rollout.name, "verdict": verdict, "passes": forced is None, "reasons": list(decision.reasons)}
    with running_server(control.server) as server:
        bring_in_tried(server, rollout.challenger, rollout.champion, {"rollout": kept}, decision.reasons, forced)
        try:
            crown(server, rollout.challenger, forced, control.trainings)
        except ValueError as error:
            failed = f"; {error}"
            control.say(f"rollout: {error}")
    ended = _ended(remembered, decision, "promoted")
    return replace(ended, rollout=replace(ended.rollout, why=ended.rollout.why + failed))


EFFECTS: Mapping[Action, Effect] = {
    "begin": _enter,
    "step": _enter,
    "resume": _enter,
    "hold": _hold,
    "pause": _pause,
    "back": _back,
    "abort": _back,
    "promote": _promote,
}


def _routed(control: Control, rollout: Rollout, verb: Verb, share_ppm: int, shadow_ppm: int | None, why: str) -> str:
    """Put the route in force, unless it is; its digest."""
    change = Change(verb=verb, challenger=rollout.challenger, share_ppm=share_ppm, shadow_ppm=shadow_ppm)
    with alone(control.store.folder):
        route = set_route(control.store, change, control.routing, control.config.valid_s, why, rollout.salt)
    return shown(route.digest)


def _ended(remembered: Remembered, decision: Decision, outcome: Outcome) -> Remembered:
    rollout = replace(
        remembered.rollout,
        status="ended",
        outcome=outcome,
        steps=_closed(remembered.rollout, decision.at_ns),
        ended_ns=decision.at_ns,
        why=_why(decision, outcome),
        who=decision.who,
    )
    return replace(remembered, route="", waits=(), rollout=rollout)


def _closed(rollout: Rollout, at_ns: int) -> tuple[Step, ...]:
    return tuple(replace(step, until_ns=at_ns) if step.until_ns is None else step for step in rollout.steps)


def _why(decision: Decision, otherwise: str) -> str:
    return decision.reasons[0] if decision.reasons else otherwise
