"""What becomes of a row when one more event about it comes: the rules of docs/feedback.md, without any storage."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

SHOWN, CLICK, LABEL, HEARTBEAT = KINDS = ("shown", "click", "label", "heartbeat")
MATCHED, DUPLICATE, CORRECTED, CONTRADICTING = "matched", "duplicate", "corrected", "contradicting"
WAITING, EXPIRED, REJECTED = "waiting", "expired", "rejected"
CLASSES = (MATCHED, DUPLICATE, CORRECTED, CONTRADICTING, WAITING, EXPIRED, REJECTED)  # each event received is in one


@dataclass(frozen=True, kw_only=True)
class Statement:
    """What somebody said of a row, and when by the event's own time."""

    clicked: int
    at_ns: int | None
    source: str


@dataclass(frozen=True, kw_only=True)
class FeedbackEvent:
    """An event whose row has been found."""

    kind: str
    at_ns: int | None
    clicked: int | None  # None: it says only that the row was shown
    source: str


@dataclass(frozen=True, kw_only=True)
class RowFacts:
    """What is known of an answered row."""

    is_shown: bool = False
    shown_ns: int | None = None
    said: Statement | None = None
    late: Statement | None = None  # it came too late to be taken in, and waits to be re-opened
    is_final: bool = False


@dataclass(frozen=True, kw_only=True)
class EventJudgement:
    facts: RowFacts
    of_class: str
    is_late: bool = False  # a late correction


def judge(facts: RowFacts, event: FeedbackEvent, ends_ns: int) -> EventJudgement:
    """The class of an event, and what is known then. `ends_ns`: until when a click counts by itself."""
    adds_shown = event.kind != CLICK and not facts.is_shown
    if adds_shown:
        facts = replace(facts, is_shown=True, shown_ns=event.at_ns)
    if event.clicked is None:
        return EventJudgement(facts=facts, of_class=MATCHED if adds_shown else DUPLICATE)
    new = Statement(clicked=event.clicked, at_ns=event.at_ns, source=event.source)
    is_late = facts.is_final or (event.kind == CLICK and event.at_ns is not None and event.at_ns > ends_ns)
    if is_late and facts.late is not None and facts.late.clicked == new.clicked:
        return EventJudgement(facts=replace(facts, late=_newest(facts.late, new)), of_class=DUPLICATE)
    known = facts.late if facts.is_final and facts.late is not None else facts.said
    if known is None:
        return _first(facts, new, is_late)
    if known.clicked == new.clicked:
        said = facts if known is facts.late else replace(facts, said=_newest(known, new))
        return EventJudgement(facts=said, of_class=MATCHED if adds_shown else DUPLICATE)
    if known.source != new.source or known.at_ns is None or new.at_ns is None or known.at_ns == new.at_ns:
        return EventJudgement(facts=facts, of_class=CONTRADICTING)
    if new.at_ns < known.at_ns:  # it was overruled before it came
        return EventJudgement(facts=facts, of_class=CORRECTED)
    return _overruled(facts, new, is_late)


def judge_all(facts: RowFacts, events: Sequence[FeedbackEvent], ends_ns: int) -> tuple[RowFacts, list[EventJudgement]]:
    """What is known after all of them, in the order in which they came, and the class of each."""
    found = []
    for event in events:
        judged = judge(facts, event, ends_ns)
        found.append(judged)
        facts = judged.facts
    return facts, found


def _first(facts: RowFacts, new: Statement, is_late: bool) -> EventJudgement:
    """Nobody has said anything of the row before. Of a final row that means no click."""
    if is_late and not (facts.is_final and new.clicked == 0):
        return EventJudgement(facts=replace(facts, late=new), of_class=CORRECTED, is_late=True)
    return EventJudgement(facts=replace(facts, said=new), of_class=MATCHED)


def _overruled(facts: RowFacts, new: Statement, is_late: bool) -> EventJudgement:
    if not is_late:
        return EventJudgement(facts=replace(facts, said=new), of_class=CORRECTED)
    final = 0 if facts.said is None else facts.said.clicked
    withdrawn = facts.late is not None and new.clicked == final  # the late correction is itself taken back
    return EventJudgement(facts=replace(facts, late=None if withdrawn else new), of_class=CORRECTED, is_late=not withdrawn)


def _newest(known: Statement, new: Statement) -> Statement:
    """The same said again; by the same source the later time counts for corrections to come."""
    if known.source != new.source or known.at_ns is None or new.at_ns is None:
        return known
    return replace(known, at_ns=max(known.at_ns, new.at_ns))
