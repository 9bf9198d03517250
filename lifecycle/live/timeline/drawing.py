"""A month of the play as SVG: who answered, what was tried and trained, alerts, and the log-loss of the days below."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby

from markupsafe import Markup, escape

from lifecycle.live.timeline.story import DAY_NS, AnsweredHour, Story, StoryDay, StoryEvent, TriedCandidate, ns_of
from lifecycle.monitor.page.scale import Axis, axis

WIDTH, HEIGHT = 372, 236
LEFT, RIGHT = 44, 366
DAY_TEXT = 34  # width of "day 30"
BAND, TRIED, MARKS, LOSS = (16, 60), (66, 76), 88, (100, 214)  # heights
BIN_NS = DAY_NS // 4
COLOURS = 8  # classes r0 to r7 of timeline.css
LINES = (("first_release", "kept"), ("log_loss", "answered"), ("least", "least"))


@dataclass(frozen=True, kw_only=True)
class DrawnMonth:
    name: str
    svg: Markup


def drawn_months(story: Story) -> list[DrawnMonth]:
    """One drawing a month, all with the same height of log-loss."""
    values = [getattr(day, name) for day in story.days for name, _ in LINES]
    up = axis(values, LOSS[1], LOSS[0])
    found = []
    for number, (month, days) in enumerate(groupby(story.days, key=lambda day: day.day[:7])):
        found.append(DrawnMonth(name=month, svg=_month(story, list(days), up, f"month-{number}")))
    return found


def colour(story: Story, release: int) -> str:
    """The class of a release: in the order in which they answered first."""
    known = list(dict.fromkeys(hour.release for hour in story.hours))
    return f"r{known.index(release) % COLOURS}" if release in known else "r7"


def _month(story: Story, days: Sequence[StoryDay], up: Axis, identity: str) -> Markup:
    first, last = _start(days[0]), _start(days[-1]) + DAY_NS
    across = Axis(low=float(first), high=float(first + 31 * DAY_NS), start=LEFT, end=RIGHT)
    hours = [hour for hour in story.hours if first <= hour.at_ns < last]
    body = "".join(
        [
            *_frame(story, days, across, up, last),
            *_band(story, hours, across),
            *_tried(story.candidates, across, first, last),
            *_events(story, across, first, last),
            *_losses(days, across, up),
        ]
    )
    title, text = f"Month {days[0].day[:7]}", _description(story, days, hours)
    return Markup(
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="{identity}-t {identity}-d"><title id="{identity}-t">'
        f'{escape(title)}</title><desc id="{identity}-d">{escape(text)}</desc>{body}</svg>'
    )


def _frame(story: Story, days: Sequence[StoryDay], across: Axis, up: Axis, last: int) -> Iterator[str]:
    for text, height in (("answers", 42), ("tried", 75), ("what", 91)):
        yield f'<text class="y" x="{LEFT - 4}" y="{height}">{text}</text>'
    for value in (up.low + (up.high - up.low) * part for part in (0.1, 0.5, 0.9)):
        yield f'<path class="grid" d="M{LEFT} {up(value)}H{RIGHT}"/>'
        yield f'<text class="y" x="{LEFT - 4}" y="{float(up(value)) + 3:.1f}">{value:.3f}</text>'
    for day in days:
        number = story.day_number(_start(day))
        if number == 1 or number % 10 == 0:
            x = across(_start(day))
            at_end = ' class="end"' if float(x) > RIGHT - DAY_TEXT else ""
            yield f'<path class="grid" d="M{x} {BAND[0]}V{LOSS[1]}"/><text{at_end} x="{x}" y="{HEIGHT - 8}">day {number}</text>'
    yield f'<path class="axis" d="M{LEFT} {LOSS[0]}V{LOSS[1]}H{across(last)}"/>'


def _band(story: Story, hours: Sequence[AnsweredHour], across: Axis) -> Iterator[str]:
    """Shares of the rows, a quarter of a day wide; neighbours that are alike together."""
    columns = []
    for at_ns, group in groupby(hours, key=lambda hour: hour.at_ns // BIN_NS * BIN_NS):
        rows: dict[int, int] = {}
        for hour in group:
            rows[hour.release] = rows.get(hour.release, 0) + hour.rows
        total = sum(rows.values())
        columns.append((at_ns, tuple((release, round(number / total, 2)) for release, number in sorted(rows.items()))))
    for shares, run in groupby(columns, key=lambda column: column[1]):
        times = [at_ns for at_ns, _ in run]
        yield from _column(story, times[0], times[-1] + BIN_NS, shares, across)


def _column(story: Story, start: int, end: int, shares: Sequence[tuple[int, float]], across: Axis) -> Iterator[str]:
    top, x = float(BAND[0]), across(start)
    for release, share in shares:
        height = share * (BAND[1] - BAND[0])
        width = float(across(end)) - float(x)
        tip = f"release {release}: {share:.0%} of the rows, {story.when(start)} to {story.when(end)}"
        place = f'x="{x}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}"'
        yield f'<rect class="{colour(story, release)}" {place}><title>{escape(tip)}</title></rect>'
        top += height


def _tried(candidates: Sequence[TriedCandidate], across: Axis, first: int, last: int) -> Iterator[str]:
    """A bar for each step: pale in shadow, the darker the larger the share."""
    for one in candidates:
        for step in one.steps:
            start, end = max(step.from_ns, first), min(step.until_ns or last, last)
            if start >= end:
                continue
            x, tip = across(start), f"candidate {one.number}: {'shadow' if step.share == 0 else f'canary {step.share:.0%}'}"
            width = max(1.0, float(across(end)) - float(x))
            yield (
                f'<rect class="step" x="{x}" y="{TRIED[0]}" width="{width:.1f}" height="{TRIED[1] - TRIED[0]}" '
                f'fill-opacity="{0.2 + 0.8 * step.share**0.4:.2f}"><title>{escape(tip)}</title></rect>'
            )
        if first <= one.begun_ns < last:
            yield f'<text class="number" x="{across(one.begun_ns)}" y="{TRIED[0] - 8}">{one.number}</text>'


def _events(story: Story, across: Axis, first: int, last: int) -> Iterator[str]:
    for event in story.events:
        if first <= event.at_ns < last and (mark := _mark(event, float(across(event.at_ns)))):
            yield f"<g>{mark}<title>{escape(f'{story.when(event.at_ns)}: {event.title}')}</title></g>"


def _mark(event: StoryEvent, x: float) -> str:
    match event.kind:
        case "alert" if event.tone == "bad":
            return f'<path class="warning" d="M{x:.1f} {MARKS - 4}l4 7h-8z"/>'
        case "world":
            return f'<path class="world" d="M{x:.1f} {BAND[0] - 4}V{LOSS[1]}"/>'
        case "training":
            return f'<rect class="training" x="{x - 3:.1f}" y="{MARKS - 3}" width="6" height="6"/>'
        case "rollout" if event.tone == "good":
            return f'<circle class="good" cx="{x:.1f}" cy="{MARKS}" r="4"/>'
        case "rollout" if event.tone == "bad":
            return f'<path class="page" d="M{x:.1f} {MARKS - 5}l5 5l-5 5l-5-5z"/>'
        case _:
            return ""


def _losses(days: Sequence[StoryDay], across: Axis, up: Axis) -> Iterator[str]:
    for name, style in LINES:
        known = [(day, getattr(day, name)) for day in days if getattr(day, name) is not None]
        if known:
            places = [f"{across(_start(day) + DAY_NS // 2)} {up(value)}" for day, value in known]
            yield f'<path class="loss {style}" d="M{"L".join(places)}"/>'


def _description(story: Story, days: Sequence[StoryDay], hours: Sequence[AnsweredHour]) -> str:
    releases = sorted({hour.release for hour in hours})
    first, last = days[0], days[-1]
    numbers = [story.day_number(_start(day)) for day in (first, last)]
    return (
        f"Days {numbers[0]} to {numbers[1]}. Releases {', '.join(map(str, releases))} answered. "
        f"Log-loss {first.log_loss:.4f} on the first day, {last.log_loss:.4f} on the last."
    )


def _start(day: StoryDay) -> int:
    return ns_of(date.fromisoformat(day.day))
