"""Writes live/timeline.html from the facts of a play: one file, no script, no other host."""

from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from contracts.files import write_whole
from lifecycle.live.timeline.answers import moment_of, who_answered, why, without
from lifecycle.live.timeline.drawing import colour, drawn_months
from lifecycle.live.timeline.story import Story
from lifecycle.monitor.page import wording
from lifecycle.monitor.page.write import STYLE as MONITOR_STYLE

TEMPLATE, STYLE = "timeline.html.j2", "timeline.css"
MONITOR = Path(wording.__file__).parent / MONITOR_STYLE
NOON = "day 40 12:00"
TONES = {"promoted": "ok", "back": "warning", "aborted": "warning", "refused": "warning", "under way": "watch"}


@dataclass(frozen=True, kw_only=True)
class Question:
    asked: str
    answer: str


@dataclass(frozen=True, kw_only=True)
class StoryHeadline:
    tone: str  # a verdict's class in the style
    words: str
    rest: str


@dataclass(frozen=True, kw_only=True)
class ShownRelease:
    number: int
    colour: str


def write_timeline(story: Story, path: Path) -> None:
    """Replace `path` with the page."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, rendered(story).encode("utf-8", "backslashreplace"))


def rendered(story: Story) -> str:
    """The page. A value that the template needs and does not get is an error, never an empty place."""
    folder = Path(__file__).parent
    env = Environment(
        loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    env.filters |= {name: getattr(wording, name) for name in ("amount", "count", "plain_text", "sentence")}
    numbers = dict.fromkeys(hour.release for hour in story.hours)
    return env.get_template(TEMPLATE).render(
        style=Markup(style_text()),
        story=story,
        headline=headline(story),
        rows=sum(day.rows for day in story.days),
        releases=[ShownRelease(number=number, colour=colour(story, number)) for number in numbers],
        months=drawn_months(story),
        questions=questions(story),
        tones=TONES,
    )


def style_text() -> str:
    """The monitor's, with what is this page's own."""
    return "".join(path.read_text(encoding="utf-8") for path in (MONITOR, Path(__file__).parent / STYLE))


def headline(story: Story) -> StoryHeadline:
    """From the change of the world to another champion, and what became of the others."""
    promoted = [one for one in story.candidates if one.outcome == "promoted" and one.ended_ns is not None]
    gone = [one for one in story.candidates if one.outcome in ("back", "refused", "aborted")]
    rest = "No candidate was tried."
    if story.candidates:
        rest = f"{len(gone)} of {len(story.candidates)} candidates were refused or sent back."
    if not promoted:
        return StoryHeadline(tone="warning", words="No candidate became the champion.", rest=rest)
    first = promoted[0]
    assert first.ended_ns is not None
    day = story.day_number(first.ended_ns)
    words = f"Release {first.release} became the champion on day {day}."
    if story.drift_ns is not None and first.ended_ns > story.drift_ns:
        changed = story.day_number(story.drift_ns)
        words = f"The world changed on day {changed}, release {first.release} became the champion on day {day}."
    return StoryHeadline(tone="ok", words=words, rest=rest)


def questions(story: Story) -> list[Question]:
    """Those that a reader has, with their answers."""
    found = [Question(asked="Which model answered at noon on day 40?", answer=who_answered(story, moment_of(story, NOON)))]
    if len(story.candidates) > 1:
        found.append(Question(asked="What became of the second candidate, and why?", answer=why(story, 2)))
    for one in story.without:
        asked = f"What would have happened without the canary of candidate {one.number}?"
        found.append(Question(asked=asked, answer=without(story, one)))
    return found
