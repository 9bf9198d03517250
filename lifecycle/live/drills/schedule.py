"""Which drill is next: each begins when no rollout and no training is under way, and a candidate that was trained is served."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from contracts.files import write_whole
from contracts.lifecycle.live import DrillConfig
from contracts.lifecycle.rollout import RolloutConfig
from lifecycle.rollout.rollout import Rollout

DRILLS = Path("live/drills.json")
UNSEEN_DAYS = 3  # weekdays that are affected from the canary on; the others are those of the shadow step, and of what may be late
LATE_DAYS = 2  # until the rollout begins, as making the candidate takes hours of the clock; and until the look that ends the step


@dataclass(frozen=True, kw_only=True)
class Drill:
    """A broken candidate that was tried."""

    name: str
    sentence: str
    made_of: int  # release that was served
    release: int
    begun_ns: int
    values: tuple[str, ...]  # of its column, that are affected


def read_drills(path: Path = DRILLS) -> list[Drill]:
    """The oldest first; empty if there was none."""
    if not path.is_file():
        return []
    return [Drill(**{**one, "values": tuple(one["values"])}) for one in json.loads(path.read_bytes())]


def add_drill(drill: Drill, path: Path = DRILLS) -> None:
    write_whole(path, json.dumps([asdict(one) for one in [*read_drills(path), drill]], indent=1).encode(), synced=True)


def next_drill(drills: Sequence[DrillConfig], begun: Sequence[Drill], rollouts: Sequence[Rollout]) -> DrillConfig | None:
    """None if it is not time for one, or all have been."""
    tried = {one.name for one in begun}
    if any(one.status != "ended" for one in rollouts) or not any(one.outcome == "promoted" for one in rollouts):
        return None
    return next((one for one in drills if one.name not in tried), None)


def weekdays_after_shadow(now: datetime, config: RolloutConfig) -> tuple[str, ...]:
    """Days of the week, 1 is Monday, that begin when shadow is over."""
    seen = math.ceil(sum(step.days for step in config.steps if step.mode == "shadow")) + LATE_DAYS
    first = now.astimezone(UTC).date() + timedelta(days=seen)
    return tuple(str((first + timedelta(days=number)).isoweekday()) for number in range(min(UNSEEN_DAYS, 7 - seen)))
