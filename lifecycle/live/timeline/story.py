"""What the page tells of a play: a file of facts, made once, that can be read without the play's server, journal and models."""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter

from contracts.files import write_whole

FACTS, FORMAT = Path("live/facts.json"), 1
DAY_NS = 86_400 * 10**9
EventKind = Literal["world", "alert", "training", "rollout"]
Tone = Literal["bad", "good", "plain"]


@dataclass(frozen=True, kw_only=True)
class StoryDay:
    """A day of the play. Log-loss is what the world's own probabilities of a click expect of the answers; no chance is in it."""

    day: str  # YYYY-MM-DD
    rows: int
    clicks: int
    log_loss: float  # of what was answered
    least: float  # of the world's own probabilities: nothing can be below
    first_release: float | None  # had the release of the beginning answered all; None: it could not be run again


@dataclass(frozen=True, kw_only=True)
class AnsweredHour:
    """Who answered in an hour."""

    at_ns: int  # when it began
    release: int
    rows: int


@dataclass(frozen=True, kw_only=True)
class StoryEvent:
    """What happened at a time of the play, in a sentence."""

    at_ns: int
    kind: EventKind
    title: str
    sentence: str
    tone: Tone = "plain"


@dataclass(frozen=True, kw_only=True)
class TriedStep:
    """A route of a rollout."""

    mode: str
    share: float  # of the users, 0 to 1
    from_ns: int
    until_ns: int | None


@dataclass(frozen=True, kw_only=True)
class TriedCandidate:
    """A candidate, and what became of it. Numbered in the order in which they were tried, refused ones too."""

    number: int
    release: int | None  # in the store; None: it was refused before it came there
    beside: int | None  # the release that was served
    what: str  # it was
    begun_ns: int
    ended_ns: int | None
    outcome: str  # promoted | back | aborted | refused | under way
    reasons: tuple[str, ...]
    steps: tuple[TriedStep, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Without:
    """What the time from the first canary step to the end of a rollout would have been with another way of change.

    Log-loss is added over all rows of that time, as the world's own probabilities expect it. Lost clicks are those of pages that
    show the candidate with the highest answer; the play shows all of them, so nobody has lost these clicks in it.
    """

    number: int  # of the candidate
    from_ns: int
    until_ns: int
    rows: int
    tried_rows: int  # that the candidate answered
    added_paid: float  # log-loss, by the rows that the candidate answered
    added_at_once: float  # had it answered all
    lost_paid: float  # clicks
    lost_at_once: float
    clicks: float  # that the champion's choice gets on all pages


@dataclass(frozen=True, kw_only=True)
class Story:
    first_day: str
    days: tuple[StoryDay, ...]
    hours: tuple[AnsweredHour, ...]
    events: tuple[StoryEvent, ...]
    candidates: tuple[TriedCandidate, ...]
    without: tuple[Without, ...]
    drift_ns: int | None = None  # when the world began to change

    @property
    def start_ns(self) -> int:
        return ns_of(date.fromisoformat(self.first_day))

    def day_number(self, at_ns: int) -> int:
        """1 is the first day of the play."""
        return (at_ns - self.start_ns) // DAY_NS + 1

    def when(self, at_ns: int) -> str:
        """As people say it: day 40, 12:00."""
        return f"day {self.day_number(at_ns)}, {datetime.fromtimestamp(at_ns / 1e9, UTC):%H:%M}"


def ns_of(day: date) -> int:
    return (day - date(1970, 1, 1)).days * DAY_NS


def write_story(story: Story, path: Path = FACTS) -> None:
    write_whole(path, json.dumps({"format": FORMAT, **asdict(story)}, indent=1).encode())


def read_story(path: Path = FACTS) -> Story:
    """Raises ValueError if there is none, or it is of another version."""
    if not path.is_file():
        raise ValueError(f"{path} is not here; `make live` writes it when the play is over")
    try:
        found = json.loads(path.read_bytes())
        if found.pop("format") != FORMAT:
            raise ValueError("another format")
        story: Story = TypeAdapter(Story).validate_python(found)
    except (ValueError, KeyError, TypeError, AttributeError) as error:  # ValidationError is a ValueError
        raise ValueError(
            f"{path} is not as this version of adclick writes it; remove it, and `make live` writes it anew"
        ) from error
    return story
