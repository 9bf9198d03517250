"""What a training's folder says about it, below `.training/`: what to do, what it has cost so far, how it ended."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from contracts.files import sync, write_whole

OWN = ".training"
ORDER, SPENT, END, PROCESS, LOCK, LOG = "order.json", "spent.json", "ended.json", "process.json", "lock", "log.txt"


@dataclass(frozen=True, kw_only=True)
class Order:
    """`overrides` as of `make experiment`. Times are of the machine."""

    overrides: tuple[str, ...]
    longest_s: float
    nice: int
    earlier_months: int = 0  # of data/clean, before the served rows


@dataclass(frozen=True, kw_only=True)
class End:
    """`outcome`: trained | failed | too_long | stopped."""

    outcome: str
    seconds: float
    core_s: float
    why: str = ""


def own(folder: Path, name: str) -> Path:
    return folder / OWN / name


def write_order(folder: Path, order: Order) -> None:
    """It is on the disk afterwards: the folder is complete."""
    write_whole(own(folder, ORDER), json.dumps(asdict(order)).encode(), synced=True)
    sync(folder / OWN)


def read_order(folder: Path) -> Order | None:
    """None while the folder is not complete."""
    found = _read(own(folder, ORDER))
    return None if found is None else Order(**{**found, "overrides": tuple(found["overrides"])})


def write_end(folder: Path, end: End) -> None:
    write_whole(own(folder, END), json.dumps(asdict(end)).encode(), synced=True)
    sync(folder / OWN)


def read_end(folder: Path) -> End | None:
    """None while it runs, and if it died."""
    found = _read(own(folder, END))
    return None if found is None else End(**found)


def write_spent(folder: Path, core_s: float, seconds: float) -> None:
    write_whole(own(folder, SPENT), json.dumps({"core_s": core_s, "seconds": seconds}).encode())


def read_spent(folder: Path) -> tuple[float, float]:
    """Processor time and seconds so far."""
    found = _read(own(folder, SPENT)) or {}
    return float(found.get("core_s", 0.0)), float(found.get("seconds", 0.0))


def _read(path: Path) -> Mapping[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return found
