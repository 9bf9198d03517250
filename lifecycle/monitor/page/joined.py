"""Points of a long series joined with their neighbours, so that a drawing has no more than can be seen."""

import math
from collections.abc import Sequence
from dataclasses import replace

from lifecycle.monitor.findings import VERDICTS, Point

MOST = 120  # points of a drawing


def joined(points: Sequence[Point], most: int = MOST) -> list[Point]:
    """At most `most`, each of as many neighbours: the worst one's value, else their mean; all that their intervals reach."""
    size = math.ceil(len(points) / most)
    if size <= 1:
        return list(points)
    return [_one_of(points[start : start + size]) for start in range(0, len(points), size)]


def _one_of(points: Sequence[Point]) -> Point:
    worst = max(points, key=lambda point: VERDICTS.index(point.verdict))
    values = [point.value for point in points if point.value is not None]
    mean = sum(values) / len(values) if values else None
    return replace(
        worst,
        value=mean if worst.verdict == "ok" else worst.value,
        low=min((point.low for point in points if point.low is not None), default=None),
        high=max((point.high for point in points if point.high is not None), default=None),
        expected_low=min((point.expected_low for point in points if point.expected_low is not None), default=None),
        expected_high=max((point.expected_high for point in points if point.expected_high is not None), default=None),
    )
