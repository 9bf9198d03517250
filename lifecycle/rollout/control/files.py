"""What a rollout remembers: state.json, replaced as a whole, and decisions.jsonl, to which lines are added and never changed.

A decision's line is on the disk before anything follows from it. What a crash cut off of a line was never decided.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import TypeAdapter, ValidationError

from contracts.files import sync, write_whole
from contracts.lifecycle.rollout import RolloutConfig
from contracts.line_log import append_line
from lifecycle.rollout.judgement import Judgement
from lifecycle.rollout.rollout import DECISIONS, STATE, Rollout

FORMAT = 1
Action = Literal["begin", "step", "hold", "promote", "back", "pause", "resume", "abort"]
CONTROLLER = "controller"

Read = TypeVar("Read")


@dataclass(frozen=True, kw_only=True)
class Decision:
    """A line of decisions.jsonl. `hold`: a look at new evidence, or new reasons to wait; the step goes on."""

    at_ns: int
    step: int  # of rollout.steps, that was under way, or begins with it
    action: Action
    judgement: Judgement | None = None  # of the look; None: it rests on none
    reasons: tuple[str, ...] = ()  # the gravest first
    who: str = CONTROLLER  # or the user who asked for it


@dataclass(frozen=True, kw_only=True)
class Remembered:
    """A rollout as state.json has it."""

    rollout: Rollout
    config: RolloutConfig  # as it was when the rollout began: by it the rollout is judged
    acted: int = 0  # so many decisions have had their effect; at most one has not
    route: str = ""  # digest of the route that the last one put in force; empty: none
    waits: tuple[str, ...] = ()  # kinds of what it waits for, as the last decision has them
    waiting_since_ns: int | None = None  # for labels, traffic, or fewer rows that cannot be compared


def read_rollout(root: Path) -> Rollout | None:
    """The newest of the folder of rollouts, under way or ended; None if there never was one."""
    found = read_rollouts(root)
    return found[-1] if found else None


def read_rollouts(root: Path) -> list[Rollout]:
    """All of them, the oldest first."""
    found = [read_state(path.parent).rollout for path in root.glob(f"*/{STATE}")]
    return sorted(found, key=lambda rollout: (rollout.begun_ns, rollout.name))


def read_state(folder: Path) -> Remembered:
    """Of one rollout's folder. Raises ValueError if it is not as this version writes it."""
    path = folder / STATE
    found = json.loads(path.read_bytes())
    if not isinstance(found, dict) or found.pop("format", None) != FORMAT:
        raise ValueError(f"{path}: expected format {FORMAT}; it is of another version of adclick")
    return _checked(Remembered, found, path)


def write_state(folder: Path, remembered: Remembered) -> None:
    """Replace it; it is on the disk afterwards."""
    content = json.dumps({"format": FORMAT, **asdict(remembered)}, indent=1, allow_nan=False) + "\n"
    write_whole(folder / STATE, content.encode(), synced=True)
    sync(folder)
    sync(folder.parent)  # the rollout's own folder may be new


def read_decisions(folder: Path) -> list[Decision]:
    """Of one rollout's folder, the oldest first. What a crash cut off is none."""
    path = folder / DECISIONS
    return [_checked(Decision, line, path) for line in _whole_lines(path)]


def append_decision(folder: Path, decision: Decision) -> None:
    """Write it behind all others; it is on the disk afterwards. Raises OSError, and then nothing of it stays."""
    at = datetime.fromtimestamp(decision.at_ns / 1e9, UTC).isoformat(timespec="seconds")
    line = json.dumps({"format": FORMAT, "at": at, **plain(asdict(decision))}, allow_nan=False).encode()
    folder.mkdir(parents=True, exist_ok=True)
    append_line(folder / DECISIONS, line)


def plain(value: Any) -> Any:
    """With texts for numbers that are not finite: JSON has no others, and `read_decisions` takes them."""
    if isinstance(value, Mapping):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return str(value) if isinstance(value, float) and not isfinite(value) else value


def _whole_lines(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_bytes().split(b"\n") if path.is_file() else ():
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if not isinstance(found, dict) or found.pop("format", None) != FORMAT:
            raise ValueError(f"{path}: expected lines of format {FORMAT}; it is of another version of adclick")
        found.pop("at")
        yield found


def _checked(kind: type[Read], values: dict[str, Any], path: Path) -> Read:
    try:
        return TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"{path}: {place}: {first['msg']}; it is of another version of adclick") from None
