"""What `feedback/labels/state.json` says of the feed of labels, for Prometheus: what is not there is not known."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STATE = Path("labels/state.json")  # below feedback.folder
OUTCOMES = ("matched", "duplicate", "corrected", "contradicting", "waiting", "expired", "rejected")  # of an event, each one


@dataclass(frozen=True, kw_only=True)
class FeedFacts:
    """Times are of the clock, nanoseconds since 1970."""

    watermark_ns: int | None  # up to which answers' labels are complete; None: nobody has said
    waiting: int  # events whose answer has not turned up
    oldest_waiting_ns: int | None
    events: dict[str, int]  # by what became of them


def read_feed(feedback: Path) -> FeedFacts | None:
    """None if there is no feed, or it cannot be read. The file is replaced as a whole."""
    try:
        values: Any = json.loads((feedback / STATE).read_bytes())
        return FeedFacts(
            watermark_ns=_whole(values.get("watermark_ns")),
            waiting=int(values.get("waiting") or 0),
            oldest_waiting_ns=_whole(values.get("oldest_waiting_ns")),
            events={name: int(values[name]) for name in OUTCOMES if values.get(name) is not None},
        )
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def _whole(value: Any) -> int | None:
    return None if value is None else int(value)
