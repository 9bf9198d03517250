"""The calibration curve as SVG: what was observed over what was predicted, bin by bin, with intervals, beside the diagonal."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from lifecycle.monitor.findings import FindingTable
from lifecycle.monitor.page.drawing import BOTTOM, LEFT, RIGHT, TOP, DrawingSize, svg
from lifecycle.monitor.page.scale import Axis, axis, finite
from lifecycle.monitor.page.wording import counted, number

SIZE = DrawingSize(width=360, height=300)
BELOW = BOTTOM + 16  # for the name of the axis
NAMES = {  # of a table's columns
    "predicted": ("predicted", "mean prediction", "prediction"),
    "observed": ("observed", "click rate", "rate"),
    "low": ("low", "from", "observed from"),
    "high": ("high", "to", "observed to"),
}


@dataclass(frozen=True, kw_only=True)
class CalibrationBin:
    """Shares of clicks; the interval is of what was observed."""

    predicted: float
    observed: float
    low: float | None
    high: float | None


def calibration_bins(table: FindingTable) -> list[CalibrationBin]:
    """Of a table that has columns `predicted` and `observed`; `low` and `high` if it has these. Else none."""
    places = {meaning: _place(table, names) for meaning, names in NAMES.items()}
    if places["predicted"] is None or places["observed"] is None:
        return []
    found = ({name: _figure(row, place) for name, place in places.items()} for row in table.rows)
    return [
        CalibrationBin(predicted=one["predicted"], observed=one["observed"], low=one["low"], high=one["high"])
        for one in found
        if one["predicted"] is not None and one["observed"] is not None
    ]


def _place(table: FindingTable, names: Sequence[str]) -> int | None:
    columns = [str(name).strip().lower() for name in table.columns]
    return next((columns.index(name) for name in names if name in columns), None)


def _figure(row: Sequence[Any], place: int | None) -> float | None:
    if place is None or place >= len(row) or isinstance(row[place], bool) or not isinstance(row[place], int | float):
        return None
    return float(row[place]) if math.isfinite(row[place]) else None


def drawn_calibration(bins: Sequence[CalibrationBin], identity: str) -> Markup:
    """An <svg>; both axes have the same range, logarithmic where all figures are above 0."""
    shown = finite(value for one in bins for value in (one.predicted, one.observed, one.low, one.high))
    logarithmic = min(min(one.predicted, one.observed) for one in bins) > 0
    smallest = min(min(one.predicted, one.observed) for one in bins) / 2 if logarithmic else min(shown)
    scaled = [_scaled(value, logarithmic, smallest) for value in shown]
    across = axis(scaled, LEFT, SIZE.width - RIGHT)
    up = axis(scaled, SIZE.height - BELOW, TOP)
    body = [
        *_ticks(across, up, logarithmic),
        f'<path class="diagonal" d="M{LEFT} {SIZE.height - BELOW}L{SIZE.width - RIGHT} {TOP}"/>',
    ]
    for one in bins:
        x, y = across(_scaled(one.predicted, logarithmic, smallest)), up(_scaled(one.observed, logarithmic, smallest))
        if one.low is not None and one.high is not None:
            low, high = (up(_scaled(value, logarithmic, smallest)) for value in (one.low, one.high))
            body.append(f'<path class="whisker strong" d="M{x} {low}V{high}"/>')
        body.append(f'<circle class="dot" cx="{x}" cy="{y}" r="3.2"/>')
    body.append(f'<text class="end" x="{SIZE.width - RIGHT}" y="{SIZE.height - 3}">predicted, % of rows</text>')
    body.append(f'<text x="{LEFT + 5}" y="{TOP + 9}">observed, % of rows</text>')
    return svg("".join(body), SIZE, identity, "Calibration: observed over predicted", _description(bins))


def _scaled(value: float, logarithmic: bool, smallest: float) -> float:
    return math.log10(max(value, smallest)) if logarithmic else value


def _ticks(across: Axis, up: Axis, logarithmic: bool) -> Iterator[str]:
    yield f'<path class="axis" d="M{LEFT} {TOP}V{SIZE.height - BELOW}H{SIZE.width - RIGHT}"/>'
    for value in _round_values(across.low, across.high, logarithmic):
        place = math.log10(value) if logarithmic else value
        x, y = across(place), up(place)
        yield f'<path class="grid" d="M{x} {TOP}V{SIZE.height - BELOW}M{LEFT} {y}H{SIZE.width - RIGHT}"/>'
        yield f'<text class="middle" x="{x}" y="{SIZE.height - BELOW + 13}">{100 * value:g}</text>'
        yield f'<text class="y" x="{LEFT - 4}" y="{float(y) + 3:.1f}">{100 * value:g}</text>'


def _round_values(low: float, high: float, logarithmic: bool) -> list[float]:
    """Two to some six round values within the bounds, which are logarithms if it is so."""
    if logarithmic:
        decades = range(math.floor(low), math.ceil(high) + 1)
        steps = (1, 2, 5) if high - low < 2.2 else (1,)
        return [step * 10.0**decade for decade in decades for step in steps if low <= math.log10(step * 10.0**decade) <= high]
    size = 10.0 ** math.floor(math.log10((high - low) / 2))
    step = next(size * times for times in (1, 2, 5, 10) if (high - low) / (size * times) <= 6)
    return [round(step * place, 12) for place in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _description(bins: Sequence[CalibrationBin]) -> str:
    off = sum(one.low is not None and one.high is not None and not one.low <= one.predicted <= one.high for one in bins)
    told = "; ".join(f"{number(100 * one.predicted)} % predicted, {number(100 * one.observed)} % observed" for one in bins)
    return f"{counted(len(bins), 'bin')}, {off} of which have their prediction outside the interval: {told}."
