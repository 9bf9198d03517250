"""Events as JSON lines, as senders to the endpoint write them."""

import json
from typing import Any

import polars as pl

from lifecycle.feedback.intake.events import EVENTS, REFUSED, VALUE_CHARS, EventBatch, batch_of

NS_OF_MS = 1_000_000
KEYS = ("kind", "prediction_id", "row", "key", "at_ms", "clicked")
LARGEST_MS = 9_000_000_000_000  # in the year 2255; nanoseconds are int64


def read_lines(body: bytes, now_ns: int) -> EventBatch:
    """The events of a request. A line that is none is rejected and the others taken. Raises ValueError if it is no UTF-8 text."""
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"expected JSON lines in UTF-8, got other bytes at {error.start}; nothing was taken in") from None
    rows, refused = [], []
    for place, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            rows.append((place, *_cells(line)))
        except ValueError as error:
            column, _, rule = str(error).partition("\t")
            refused.append((place, column, rule, line.strip()[:VALUE_CHARS]))
    events = pl.DataFrame(rows, schema=EVENTS, orient="row")
    return batch_of(events, now_ns, pl.DataFrame(refused, schema=REFUSED, orient="row"))


def _cells(line: str) -> tuple[Any, ...]:
    """Raises ValueError: the key, a tab, and what is wrong."""
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        raise ValueError("\tis no JSON") from None
    if not isinstance(event, dict):
        raise ValueError("\tis no JSON object")
    unknown = next((name for name in event if name not in KEYS), None)
    if unknown is not None:
        raise ValueError(f"{unknown[:40]}\tno event has this key; allowed: {', '.join(KEYS)}")
    key = event.get("key")
    at_ms = _whole(event, "at_ms", LARGEST_MS)
    return (
        _text(event, "kind"),
        _text(event, "prediction_id"),
        _whole(event, "row", 2**62),
        str(key) if isinstance(key, int) and not isinstance(key, bool) else _text(event, "key"),
        None if at_ms is None else at_ms * NS_OF_MS,
        _whole(event, "clicked", 2**62),
    )


def _text(event: dict[str, Any], name: str) -> str | None:
    value = event.get(name)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{name}\texpected a text")
    if value is not None and any("\ud800" <= character <= "\udfff" for character in value):
        raise ValueError(f"{name}\tis no UTF-8 text")
    return value


def _whole(event: dict[str, Any], name: str, most: int) -> int | None:
    value = event.get(name)
    if isinstance(value, bool) and name == "clicked":
        return int(value)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or abs(value) > most):
        raise ValueError(f"{name}\texpected a whole number")
    return value
