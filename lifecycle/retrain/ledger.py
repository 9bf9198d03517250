"""`trainings.jsonl`: a line when a training begins, ends, is handed over. It is on the disk before anything follows from it.

What was spent is in it too, so that a folder may be removed without its costs.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from contracts.line_log import append_line

LEDGER, FORMAT = "trainings.jsonl", 1
CauseKind = Literal["every", "new_month", "drift", "quality", "asked"]
Outcome = Literal["trained", "failed", "too_long", "stopped", "died"]
HandedTo = Literal["rollout", "refused", "dropped"]


@dataclass(frozen=True, kw_only=True)
class TrainingBegan:
    """Why a training began, and on what. Times are of the clock."""

    name: str  # also its folder's
    at_ns: int
    cause: CauseKind
    reason: str  # in words
    rows: int | None  # with final labels; None: it trains on another source
    mature_until_ns: int | None  # answers until then have final labels
    overrides: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class TrainingEnded:
    outcome: Outcome
    at_ns: int
    seconds: float  # of the machine
    core_s: float  # processor time of the training and all that it started; of one that died: as far as it was known
    why: str = ""  # it did not come to its end
    model: str | None = None  # sha-256 of its export's manifest
    data_until_ns: int | None = None  # its newest row


@dataclass(frozen=True, kw_only=True)
class TrainingHanded:
    to: HandedTo
    at_ns: int
    release: int | None = None  # in the store
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Training:
    began: TrainingBegan
    ended: TrainingEnded | None = None
    handed: TrainingHanded | None = None

    @property
    def name(self) -> str:
        return self.began.name

    @property
    def is_open(self) -> bool:
        """Is there something left to do about it."""
        return self.ended is None or (self.ended.outcome == "trained" and self.handed is None)


def read_trainings(root: Path) -> list[Training]:
    """All of them, the oldest first. What a crash cut off of a line never happened. Raises ValueError for another format."""
    found: dict[str, Training] = {}
    for line in _lines(root / LEDGER):
        name, kind = line.pop("training"), line.pop("event")
        try:
            if kind == "began":
                found[name] = Training(began=TypeAdapter(TrainingBegan).validate_python(line))
            elif kind == "ended":
                found[name] = replace(found[name], ended=TypeAdapter(TrainingEnded).validate_python(line))
            else:
                found[name] = replace(found[name], handed=TypeAdapter(TrainingHanded).validate_python(line))
        except (ValidationError, KeyError) as error:
            raise ValueError(f"{root / LEDGER}: a line about {name} is not as this version of adclick writes it") from error
    return list(found.values())


def append(root: Path, name: str, event: TrainingBegan | TrainingEnded | TrainingHanded) -> None:
    """Write it behind all others; it is on the disk afterwards. Raises OSError, and then nothing of it stays."""
    root.mkdir(parents=True, exist_ok=True)
    kind = {TrainingBegan: "began", TrainingEnded: "ended", TrainingHanded: "handed"}[type(event)]
    line = json.dumps({"format": FORMAT, "event": kind, "training": name, **asdict(event)}, allow_nan=False).encode()
    append_line(root / LEDGER, line)


def open_training(trainings: Sequence[Training]) -> Training | None:
    """The one that runs, or is to be handed over; there is one at most."""
    return next((training for training in reversed(trainings) if training.is_open), None)


def _lines(path: Path) -> list[dict[str, Any]]:
    found = []
    for text in path.read_bytes().split(b"\n") if path.is_file() else ():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if not isinstance(line, dict) or line.pop("format", None) != FORMAT:
            raise ValueError(f"{path}: expected lines of format {FORMAT}; it is of another version of adclick")
        found.append(line)
    return found
