"""Where a value or a time lies on a drawing, in its units."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

MARGIN = 0.06  # of the range, above and below what is drawn


@dataclass(frozen=True, kw_only=True)
class Axis:
    """`low` lies at `start`, `high` at `end`; beyond them nothing is drawn."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> str:
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return f"{self.start + share * (self.end - self.start):.1f}".removesuffix(".0")


def finite(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None and math.isfinite(value)]


def axis(values: Iterable[float | None], start: float, end: float, margin: float = MARGIN) -> Axis:
    """Of all values that are numbers, with a margin; one value, or none, lies in the middle."""
    known = finite(values) or [0.0]
    low, high = min(known), max(known)
    room = (high - low) * margin if high > low else abs(low) * 0.1 or 1.0
    if not math.isfinite(high - low):
        return Axis(low=-1.0, high=1.0, start=start, end=end)
    return Axis(low=low - room, high=high + room, start=start, end=end)
