"""The story of a play that nobody has played: ninety days, a drift, a new champion, one candidate sent back from its canary."""

from datetime import date, timedelta

from lifecycle.live.timeline.story import (
    DAY_NS,
    AnsweredHour,
    Story,
    StoryDay,
    StoryEvent,
    TriedCandidate,
    TriedStep,
    Without,
    ns_of,
)

FIRST = date(2026, 8, 1)
START = ns_of(FIRST)
HOUR_NS = 3_600 * 10**9
PROMOTED, TRIED, BACK = 30, 34, 40  # days, from 0 on


def a_story(days: int = 90) -> Story:
    """Release 1 until day 31, then release 2; release 3 in a canary of a twentieth on days 35 to 41, which was sent back."""
    return Story(
        first_day=str(FIRST),
        days=tuple(_day(number) for number in range(days)),
        hours=tuple(hour for number in range(days) for hour in _hours(number)),
        events=(
            StoryEvent(at_ns=START + 7 * DAY_NS, kind="world", title="the world changes", sentence="tastes change", tone="bad"),
            StoryEvent(
                at_ns=START + 12 * DAY_NS, kind="alert", title="alert: quality", sentence="log-loss is 9 % above", tone="bad"
            ),
            StoryEvent(at_ns=START + 13 * DAY_NS, kind="training", title="a training begins", sentence="quality"),
            StoryEvent(at_ns=START + PROMOTED * DAY_NS, kind="rollout", title="champion", sentence="all pass", tone="good"),
            StoryEvent(at_ns=START + BACK * DAY_NS, kind="rollout", title="sent back", sentence="<b>worse</b>", tone="bad"),
        ),
        candidates=(_candidate(1, 2, "promoted", 20, PROMOTED), _candidate(2, 3, "back", TRIED, BACK)),
        without=(
            Without(
                number=2,
                from_ns=START + (TRIED + 2) * DAY_NS,
                until_ns=START + BACK * DAY_NS,
                rows=20_000,
                tried_rows=1_000,
                added_paid=20.0,
                added_at_once=400.0,
                lost_paid=1.5,
                lost_at_once=30.0,
                clicks=900.0,
            ),
        ),
        drift_ns=START + 7 * DAY_NS,
    )


def _day(number: int) -> StoryDay:
    kept = 0.16 + 0.02 * (number > 7)
    return StoryDay(
        day=str(FIRST + timedelta(days=number)),
        rows=2_400,
        clicks=100,
        log_loss=0.163 if number > PROMOTED else kept,
        least=0.155,
        first_release=kept,
    )


def _hours(number: int) -> list[AnsweredHour]:
    release = 2 if number >= PROMOTED else 1
    tried = {3: 5} if TRIED + 2 <= number < BACK else {}
    rows = {release: 100 - sum(tried.values()), **tried}
    return [
        AnsweredHour(at_ns=START + number * DAY_NS + hour * HOUR_NS, release=one, rows=size)
        for hour in range(24)
        for one, size in rows.items()
    ]


def _candidate(number: int, release: int, outcome: str, begun: int, ended: int) -> TriedCandidate:
    begun_ns, ended_ns = START + begun * DAY_NS, START + ended * DAY_NS
    canary_ns = begun_ns + 2 * DAY_NS
    return TriedCandidate(
        number=number,
        release=release,
        beside=release - 1,
        what="it was trained" if outcome == "promoted" else "what was served then, but its ids are shuffled",
        begun_ns=begun_ns,
        ended_ns=ended_ns,
        outcome=outcome,
        reasons=("log-loss is 12 % above the champion's [9 %, 15 %]",) if outcome == "back" else ("all metrics pass",),
        steps=(
            TriedStep(mode="shadow", share=0.0, from_ns=begun_ns, until_ns=canary_ns),
            TriedStep(mode="canary", share=0.05, from_ns=canary_ns, until_ns=ended_ns),
        ),
    )
