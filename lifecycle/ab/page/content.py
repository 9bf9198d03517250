"""What the page and the terminal say of an A/B test: verdict, arms, the difference day by day, conditions, blind spots."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contracts.lifecycle.ab import AbConfig
from contracts.serving.fuse import Fuse
from lifecycle.ab.begun import AbTest
from lifecycle.ab.judged import AbJudgement, AbVerdict
from lifecycle.ab.keys import AbRows
from lifecycle.ab.sequence import AbDay, ArmSoFar
from lifecycle.monitor.findings import Point, Trend
from lifecycle.monitor.page.wording import counted, moment
from lifecycle.rollout.judgement import Interval

TONES: Mapping[AbVerdict, str] = {"refused": "page", "early": "", "open": "", "challenger": "ok", "champion": "warning"}
BLIND = (
    "Budgets: a campaign's budget is one for both arms. If the challenger spends it faster, its creatives are missing on the "
    "champion's page views too, and the difference comes out too small or too large. Divide the budgets by arm, or compare "
    "only what has no budget.",
    "Frequency caps: what counts views of a creative by user stays within an arm. What counts by campaign, or by another id "
    "than the routing key, lets one arm use up what the other one could have shown.",
    "Shared stock: a creative that one arm shows often wears out, or is paused, for both.",
    "Training: clicks of both arms become training data of either model, so the arms grow alike.",
    "Novelty: users may click on what is new because it is new. The difference day by day shows whether it shrinks.",
    "Users under several keys (devices, deleted cookies) see both releases; that makes a difference look smaller.",
)


@dataclass(frozen=True, kw_only=True)
class AbPage:
    test: AbTest
    rows: AbRows
    judgement: AbJudgement
    config: AbConfig
    fuses: Sequence[Fuse]
    now_ns: int

    @property
    def what(self) -> str:
        return "clicks" if self.config.value is None else f"{self.config.value} of clicked rows"

    @property
    def last(self) -> AbDay | None:
        return self.judgement.days[-1] if self.judgement.days else None


def lines_of(page: AbPage) -> list[str]:
    """For the terminal."""
    test, found = page.test, page.judgement
    views = sum(arm.views for _, _, arm in arms_of(page))
    until = "in force" if test.until_ns is None else f"until {moment(test.until_ns)}"
    return [
        f"{test.name}: release {test.challenger} beside {test.champion}, {test.share:g} % of the keys, since "
        f"{moment(test.from_ns)}, {until}; {counted(len(found.days), 'day')} with final labels, {views:,} page views",
        *notes_of(page),
        *([] if found.verdict == "refused" else [found.sentence]),
    ]


def page_content(page: AbPage) -> dict[str, Any]:
    """Values of the template, but for drawings."""
    return {
        "page": page,
        "test": page.test,
        "config": page.config,
        "found": page.judgement,
        "tone": TONES[page.judgement.verdict],
        "arms": arms_of(page),
        "is_told": page.judgement.verdict not in ("refused", "early"),
        "notes": notes_of(page),
        "blind": BLIND,
        "latest": page.judgement.told[-1] if page.judgement.told else None,
    }


def arms_of(page: AbPage) -> list[tuple[str, int, ArmSoFar]]:
    """Arm, release, and what it has; none before the first day is final."""
    last = page.last
    if last is None:
        return []
    return [("champion", page.test.champion, last.champion), ("challenger", page.test.challenger, last.challenger)]


def notes_of(page: AbPage) -> list[str]:
    """What whoever reads the figures has to know besides."""
    return list(_notes(page))


def _notes(page: AbPage) -> Iterator[str]:
    test, rows = page.test, page.rows
    for fuse in page.fuses:
        yield f"the challenger is off since {moment(fuse.at_ns)}, its fuse blew ({fuse.reason}): later page views are in no arm"
    if test.before:
        yield f"the same keys were divided before ({', '.join(test.before)}): some users have seen both releases"
    if rows.outside:
        views = counted(rows.outside, "page view")
        yield f"{views} of this time in no arm: without a key, for one release, or while no route was valid"
    if rows.unkeyed and rows.by_key.height:
        yield f"{counted(rows.unkeyed, 'page view')} left out, the journal does not say whose they are"
    last = page.last
    if last is not None and last.challenger.fell_back:
        share = last.challenger.fell_back / max(last.challenger.views, 1)
        yield f"{share:.1%} of the challenger's page views were answered by the champion (fallbacks), and count as its own"


def trends_of(page: AbPage) -> list[tuple[str, Trend]]:
    """The difference day by day from the first day on which it may be looked at: what it is of, and its points."""
    told = page.judgement.told
    views = [
        (f"{page.what} a thousand page views", "a thousand page views", [day.difference for day in told]),
        ("as a share of the champion's", "share", [day.relative for day in told]),
    ]
    return [
        (title, Trend(subject="challenger less champion", kind=title, unit=unit, points=_points(told, shown)))
        for title, unit, shown in views
        if any(one is not None for one in shown)
    ]


def _points(days: Sequence[AbDay], shown: Sequence[Interval | None]) -> list[Point]:
    return [
        Point(at_ns=day.end_ns - 1, value=None)
        if one is None
        else Point(at_ns=day.end_ns - 1, value=one.estimate, low=one.low, high=one.high, expected_low=0.0, expected_high=0.0)
        for day, one in zip(days, shown, strict=True)
    ]
