"""Rows of the table of figures: what was measured, what it should be, and whether it is."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One row of docs/benchmarks.md."""

    what: str
    figure: str  # with unit and spread, as shown
    bar: str = ""  # what it should reach, as shown; empty if it is for information
    met: bool | None = None  # None where there is no bar, or where it was not measured

    def as_dict(self) -> dict[str, Any]:
        """As JSON takes it: a comparison of numpy's numbers is no bool of Python."""
        return asdict(self) | {"met": None if self.met is None else bool(self.met)}


@dataclass(frozen=True, kw_only=True)
class Compared:
    """Two rates measured in turn, A B A B, under the same conditions."""

    ours: tuple[float, ...]
    theirs: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """Median of ours by median of theirs."""
        return median(self.ours) / median(self.theirs)

    @property
    def ratios(self) -> tuple[float, ...]:
        """The ratio of each pair that was measured one after the other."""
        return tuple(a / b for a, b in zip(self.ours, self.theirs, strict=True))

    def shown(self, digits: int = 1) -> str:
        low, high = min(self.ratios), max(self.ratios)
        return f"{self.ratio:.{digits}f}x ({low:.{digits}f} to {high:.{digits}f} in {len(self.ratios)} pairs)"


def in_turn(ours: Callable[[], float], theirs: Callable[[], float], pairs: int) -> Compared:
    """Call both `pairs` times, one after the other, so that a slow minute of the machine hits both."""
    measured = [(ours(), theirs()) for _ in range(pairs)]
    return Compared(ours=tuple(a for a, _ in measured), theirs=tuple(b for _, b in measured))


def spread(values: Sequence[float], unit: str, digits: int = 0) -> str:
    """Median with unit, and the range if there are several."""
    text = f"{median(values):,.{digits}f} {unit}"
    if len(values) == 1:
        return text
    return f"{text} ({min(values):,.{digits}f} to {max(values):,.{digits}f} in {len(values)} runs)"


def at_least(what: str, value: float, bar: float, shown: str, bar_shown: str) -> Figure:
    return Figure(what=what, figure=shown, bar=bar_shown, met=bool(value >= bar))


def at_most(what: str, value: float, bar: float, shown: str, bar_shown: str) -> Figure:
    return Figure(what=what, figure=shown, bar=bar_shown, met=bool(value <= bar))


def estimate(values: dict[str, Any], digits: int = 3) -> str:
    """A value of reports/evaluation.json with its interval."""
    if values["value"] is None:
        return f"undefined: {values.get('reason')}"
    text = f"{values['value']:.{digits}f}"
    if values.get("low") is None:
        return text
    return f"{text} [{values['low']:.{digits}f}, {values['high']:.{digits}f}]"
