"""Answers in words: who answered at a time, why a candidate was refused, what would have been without the canary."""

import re
from datetime import UTC, datetime

from lifecycle.live.timeline.story import AnsweredHour, Story, TriedCandidate, TriedStep, Without

HOUR_NS = 3_600 * 10**9
HOW = "write 'day 40 12:00', 'day 40', or a time such as 2026-09-09T12:00"
OUTCOMES = {
    "promoted": "became the champion",
    "back": "was sent back",
    "aborted": "was given up",
    "refused": "was refused before anybody was asked to it",
    "under way": "is being tried",
}


def moment_of(story: Story, text: str) -> int:
    """A time as people write it, nanoseconds since 1970. Raises ValueError."""
    found = re.fullmatch(r"day (\d+)(?:,? (\d{1,2}):(\d\d))?", text.strip())
    if found is not None:
        day, hour, minute = (int(part or 0) for part in found.groups())
        if hour > 23 or minute > 59 or day < 1:
            raise ValueError(f"there is no time '{text}'; {HOW}")
        return story.start_ns + ((day - 1) * 24 + hour) * HOUR_NS + minute * HOUR_NS // 60
    try:
        when = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"there is no time '{text}'; {HOW}") from None
    return int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()) * 10**9


def who_answered(story: Story, at_ns: int) -> str:
    """Which release answered in that hour, and why that one."""
    hours = [hour for hour in story.hours if hour.at_ns <= at_ns < hour.at_ns + HOUR_NS]
    if not hours:
        return f"{story.when(at_ns)}: nobody asked in that hour. {_span(story)}"
    total = sum(hour.rows for hour in hours)
    parts = [f"release {hour.release} {hour.rows / total:.1%}" for hour in _most(hours)]
    shares = f"release {hours[0].release} answered all" if len(hours) == 1 else f"of these were answered by {', by '.join(parts)}"
    said = f"{story.when(at_ns)} ({_date(at_ns)}): {total:,} rows in that hour; {shares}."
    found = tried_at(story, at_ns)
    return said if found is None else f"{said} {_tried(found[0], found[1])}"


def tried_at(story: Story, at_ns: int) -> tuple[TriedCandidate, TriedStep] | None:
    """The candidate that was tried then, and the step."""
    for one in story.candidates:
        for step in one.steps:
            if step.from_ns <= at_ns and (step.until_ns is None or at_ns < step.until_ns):
                return one, step
    return None


def why(story: Story, number: int) -> str:
    """What became of a candidate, and why. Raises ValueError if there is none of that number."""
    one = next((one for one in story.candidates if one.number == number), None)
    if one is None:
        raise ValueError(f"there is no candidate {number}; {len(story.candidates)} were tried")
    when = "" if one.ended_ns is None else f" on {story.when(one.ended_ns)}"
    release = "" if one.release is None else f", release {one.release}"
    reasons = "; ".join(one.reasons) or "no reason was kept"
    return f"Candidate {number}{release}: {one.what}. It {OUTCOMES[one.outcome]}{when}: {reasons}."


def without(story: Story, found: Without) -> str:
    """What the canary spared, in figures."""
    one = next(one for one in story.candidates if one.number == found.number)
    days = (found.until_ns - found.from_ns) / 86_400e9
    share = found.added_paid / found.added_at_once if found.added_at_once > 0 else None
    spared = "" if share is None else f" The canary made it {share:.1%} of that."
    at_once, paid = f"{found.added_at_once:,.1f}", f"{found.added_paid:,.1f}"
    clicks = f"{found.lost_at_once:,.1f} of {found.clicks:,.0f} clicks; with the canary it loses {found.lost_paid:,.1f}"
    a_row = f"{found.added_at_once / found.rows:+.4f} a row"
    named = f"Candidate {found.number} (release {one.release}: {one.what})"
    return (
        f"{named} was in a canary from {story.when(found.from_ns)} on, and "
        f"was sent back {days:.1f} days later. It answered {found.tried_rows:,} of {found.rows:,} rows, which cost {paid} nats "
        f"of log-loss. Served to everybody at once, it would have cost {at_once} by the same moment, {a_row}.{spared} A page "
        f"that shows the candidate with the highest answer would have lost {clicks}."
    )


def _tried(one: TriedCandidate, step: TriedStep) -> str:
    if step.share == 0:
        return f"Candidate {one.number}, release {one.release}, was in shadow: it computed the same rows, and nobody saw that."
    return f"Candidate {one.number}, release {one.release}, was in a canary of {step.share:.0%} of the users."


def _most(hours: list[AnsweredHour]) -> list[AnsweredHour]:
    return sorted(hours, key=lambda hour: -hour.rows)


def _span(story: Story) -> str:
    return f"The play has {len(story.days)} days, from {story.days[0].day} to {story.days[-1].day}."


def _date(at_ns: int) -> str:
    return f"{datetime.fromtimestamp(at_ns / 1e9, UTC):%Y-%m-%d %H:%M} UTC"
