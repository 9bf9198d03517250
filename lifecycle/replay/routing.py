"""What the route made of an answer, and the route as the log of releases has it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from contracts.serving.release_log import NAME, read
from lifecycle.journal.routing_columns import ROUTING_COLUMNS, has_routing


@dataclass(frozen=True, kw_only=True)
class AnswerRouting:
    """Of one answer."""

    arm: str | None  # as assigned; None: it was in no experiment
    route: str  # its digest, 16 hexadecimal digits
    text: str | None  # of the route; None if the log of releases does not have it
    fallback: bool  # the champion answered instead of the challenger
    bucket: int | None
    routing_key: str | None  # that the caller sent


def routing_of(rows: pa.Table, store: Path) -> AnswerRouting | None:
    """Of an answer's rows as Parquet; None if no route had to do with it."""
    if not has_routing(rows.schema):
        return None
    told: dict[str, Any] = {name: rows[name][0].as_py() for name in ROUTING_COLUMNS}
    if told["route"] is None:
        return None
    route = f"{told.pop('route'):016x}"
    return AnswerRouting(route=route, text=_text_of(route, store), **told)


def lines_of_routing(routing: AnswerRouting) -> list[str]:
    arm = "in no experiment" if routing.arm is None else f"arm {routing.arm}"
    said = [f"bucket {routing.bucket}"] * (routing.bucket is not None)
    said += [f"routing key {routing.routing_key}"] * (routing.routing_key is not None)
    return [
        f"  routing      {', '.join([arm, *said])}",
        *(["  fallback     the champion answered, because the challenger did not, or not in time"] if routing.fallback else []),
        f"  route        {routing.route}{'' if routing.text else f'; {NAME} has no line of it'}",
        *(f"               {line}" for line in (routing.text or "").splitlines() if line != "end"),
    ]


def _text_of(route: str, store: Path) -> str | None:
    entries, _ = read(store)
    texts = (entry.get("text") for entry in entries if entry.get("event") == "route" and entry.get("route") == route)
    return next((text for text in texts if isinstance(text, str)), None)
