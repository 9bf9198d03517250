"""What a rollout is: two releases, the steps that it has taken, and where its files are."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Outcome = Literal["promoted", "back", "aborted"]
Status = Literal["running", "paused", "ended"]

STATE, DECISIONS, PAIRS, ASSIGNED = "state.json", "decisions.jsonl", "pairs", "assigned"  # in its folder


@dataclass(frozen=True, kw_only=True)
class Step:
    """One route of the rollout, for as long as it was in force. A step that was begun again after a pause has several."""

    number: int  # of rollout.steps
    mode: Literal["shadow", "canary"]
    share_ppm: int
    digest: str  # of the route, hex: as the journal has it
    from_ns: int
    until_ns: int | None = None  # None: it is in force


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """As state.json has it."""

    name: str  # <day it began>-<challenger>-<salt's first digits>: also its folder's name
    champion: int
    challenger: int
    salt: str
    begun_ns: int
    status: Status = "running"
    steps: tuple[Step, ...] = ()
    outcome: Outcome | None = None  # None: it has not ended
    ended_ns: int | None = None
    why: str = ""  # it ended, or was paused
    who: str = "controller"  # or the user who decided

    def folder(self, root: Path) -> Path:
        return root / self.name
