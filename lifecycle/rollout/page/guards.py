"""What guards a rollout beside its metrics: the fuse of the routes, the sample ratio, and evidence that it waited for."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from lifecycle.monitor.page.wording import counted
from lifecycle.rollout.control.files import Decision, Remembered

BLEW = "the fuse blew: "  # how a decision says so
UNMET = re.compile(r"^[\d,.]+ of [\d,.]+ (days|labelled rows) of ")  # what a step needs in any case: no hold


@dataclass(frozen=True, kw_only=True)
class Guard:
    name: str
    state: str  # in a word or two
    is_ok: bool | None  # None: it has nothing to say yet
    detail: str


@dataclass(frozen=True, kw_only=True)
class RolloutHold:
    """Looks in a row that waited for the same."""

    from_ns: int
    until_ns: int | None  # None: it still waits
    reasons: tuple[str, ...]


def guards_of(remembered: Remembered, decisions: Sequence[Decision]) -> list[Guard]:
    rollout = remembered.rollout
    blown = next((reason for one in decisions for reason in one.reasons if reason.startswith(BLEW)), None)
    seat_belt = Guard(
        name="seat belt of the server",
        state="the fuse blew" if blown else "whole" if rollout.steps else "no route yet",
        is_ok=blown is None if rollout.steps else None,
        detail=blown.removeprefix(BLEW) if blown else "errors, time-outs, p99, mean, distinct answers, computing time, crash",
    )
    looks = [one.judgement for one in decisions if one.judgement is not None]
    ratios = looks[-1].ratios if looks else ()
    wrong = [ratio for ratio in ratios if ratio.is_mismatch]
    ratio = Guard(
        name="sample ratio",
        state="mismatch" if wrong else "as the route says" if ratios else "no keys yet",
        is_ok=not wrong if ratios else None,
        detail=f"{counted(len(ratios), 'step')} judged, each at {remembered.config.alpha_ratio:g}",
    )
    held = holds_of(decisions)
    now = remembered.waits if rollout.outcome is None else ()
    evidence = Guard(
        name="evidence",
        state=f"waits for {', '.join(now)}" if now else "it came",
        is_ok=not now if looks or now else None,
        detail=f"on hold {counted(len(held), 'time')}",
    )
    return [seat_belt, ratio, evidence]


def holds_of(decisions: Sequence[Decision]) -> list[RolloutHold]:
    """The oldest first. What a step needs in any case, and what the evidence says, are no reasons to hold."""
    found: list[RolloutHold] = []
    for one in decisions:
        reasons = _waits(one)
        kinds = [_without_figures(reason) for reason in reasons]
        if found and found[-1].until_ns is None:
            if kinds == [_without_figures(reason) for reason in found[-1].reasons]:
                continue
            found[-1] = RolloutHold(from_ns=found[-1].from_ns, until_ns=one.at_ns, reasons=found[-1].reasons)
        if reasons:
            found.append(RolloutHold(from_ns=one.at_ns, until_ns=None, reasons=reasons))
    return found


def _waits(decision: Decision) -> tuple[str, ...]:
    if decision.action != "hold":
        return ()
    said = () if decision.judgement is None else decision.judgement.reasons
    return tuple(reason for reason in decision.reasons if reason not in said and not UNMET.match(reason))


def _without_figures(reason: str) -> str:
    """The same for the same cause, however long it lasts."""
    return re.sub(r"[\d.,]+", "", reason)
