"""A series over time as SVG: line, whiskers of its intervals, band of what was expected, marks of the verdicts."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from markupsafe import Markup, escape

from lifecycle.monitor.findings import Point, Trend
from lifecycle.monitor.page.joined import joined
from lifecycle.monitor.page.scale import Axis, axis, finite
from lifecycle.monitor.page.wording import WORDS, amount, counted, moment, number, plain_text, scaling

LEFT, RIGHT, TOP, BOTTOM = 44, 6, 8, 18  # of a drawing, for its labels


@dataclass(frozen=True, kw_only=True)
class DrawingSize:
    """In pixels at which its letters have the size of small print."""

    width: int
    height: int


SMALL, WIDE = DrawingSize(width=240, height=100), DrawingSize(width=360, height=170)
MARKS: dict[str, Callable[[float, float], str]] = {
    "watch": lambda x, y: f'<circle class="watch" cx="{x:.1f}" cy="{y:.1f}" r="3"/>',
    "warning": lambda x, y: f'<path class="warning" d="M{x:.1f} {y - 4:.1f}l4 7h-8z"/>',
    "page": lambda x, y: f'<path class="page" d="M{x:.1f} {y - 5:.1f}l5 5l-5 5l-5-5z"/>',
}


def drawn_series(series: Trend, identity: str, size: DrawingSize = SMALL) -> Markup:
    """An <svg> with title and description; `identity` is unique in the page."""
    points = joined(series.points)
    across = axis((float(point.at_ns) for point in points), LEFT, size.width - RIGHT, margin=0.0)
    up = axis(_heights(points), size.height - BOTTOM, TOP)
    body = "".join(
        [
            *_frame(points, up, size, series.unit),
            *_bands(points, across, up),
            *_whiskers(points, across, up),
            *_lines(points, across, up),
            *_marks(points, across, up),
        ]
    )
    return svg(body, size, identity, f"{series.subject}: {series.kind}", description(series))


def drawn_unit(series: Trend) -> str:
    """What the heights of its drawing are counted in."""
    return scaling(max(map(abs, _heights(joined(series.points))), default=None), series.unit)[1]


def svg(body: str, size: DrawingSize, identity: str, title: str, text: str) -> Markup:
    """`body` is SVG already; `title` and `text` are not."""
    return Markup(
        f'<svg viewBox="0 0 {size.width} {size.height}" role="img" aria-labelledby="{identity}-t {identity}-d">'
        f'<title id="{identity}-t">{escape(plain_text(title))}</title>'
        f'<desc id="{identity}-d">{escape(plain_text(text))}</desc>{body}</svg>'
    )


def description(series: Trend) -> str:
    """What the drawing shows, for whoever cannot see it."""
    if not series.points:
        return "No points."
    first, last = series.points[0], series.points[-1]
    found = {word: sum(point.verdict == verdict for point in series.points) for verdict, word in WORDS.items() if verdict != "ok"}
    told = [f"{times} times {word}" for word, times in found.items() if times]
    expected = ""
    if last.expected_low is not None and last.expected_high is not None:
        expected = f", expected {_amounts(last.expected_low, last.expected_high, series.unit)}"
    between = "" if last.low is None or last.high is None else f" ({_amounts(last.low, last.high, series.unit)})"
    return (
        f"{counted(len(series.points), 'point')} from {moment(first.at_ns)} to {moment(last.at_ns)}; "
        f"last {amount(last.value, series.unit)}{between}{expected}; {', '.join(told) or 'always as expected'}."
    )


def _amounts(low: float, high: float, unit: str) -> str:
    factor, name = scaling(max(abs(low), abs(high)), unit)
    return f"{number(factor * low)} to {number(factor * high)} {name}".strip()


def _frame(points: Sequence[Point], up: Axis, size: DrawingSize, unit: str) -> Iterator[str]:
    """The largest and the smallest height that is drawn, first and last day."""
    known = _heights(points)
    right, bottom = size.width - RIGHT, size.height - BOTTOM
    yield f'<path class="axis" d="M{LEFT} {TOP}V{bottom}H{right}"/>'
    if not known:
        yield f'<text x="{LEFT + 8}" y="{size.height // 2}">no figure</text>'
        return
    factor, _ = scaling(max(map(abs, known)), unit)
    for value in sorted({max(known), min(known)}):
        height = float(up(value))
        yield f'<path class="grid" d="M{LEFT} {height:.1f}H{right}"/>'
        yield f'<text class="y" x="{LEFT - 4}" y="{height + 3:.1f}">{number(factor * value)}</text>'
    first, last = moment(points[0].at_ns), moment(points[-1].at_ns)
    one_day = first[:10] == last[:10]
    yield f'<text x="{LEFT}" y="{size.height - 5}">{first[5:16] if one_day else first[:10]}</text>'
    yield f'<text class="end" x="{right}" y="{size.height - 5}">{last[11:16] if one_day else last[5:10]}</text>'


def _heights(points: Sequence[Point]) -> list[float]:
    """Of all that is drawn of them."""
    return finite(value for one in points for value in (one.value, one.low, one.high, one.expected_low, one.expected_high))


def _runs(points: Iterable[Point], has: Callable[[Point], bool]) -> Iterator[list[Point]]:
    """Neighbours that have it, together."""
    yield from (list(run) for there, run in groupby(points, has) if there)


def _bands(points: Sequence[Point], across: Axis, up: Axis) -> Iterator[str]:
    for run in _runs(points, lambda one: len(finite((one.expected_low, one.expected_high))) == 2):
        above = [f"{across(one.at_ns)} {up(_given(one.expected_high))}" for one in run]
        below = [f"{across(one.at_ns)} {up(_given(one.expected_low))}" for one in reversed(run)]
        yield f'<path class="band" d="M{"L".join([*above, *below])}z"/>'


def _whiskers(points: Sequence[Point], across: Axis, up: Axis) -> Iterator[str]:
    known = [one for one in points if len(finite((one.low, one.high))) == 2]
    if known:
        path = "".join(f"M{across(one.at_ns)} {up(_given(one.low))}V{up(_given(one.high))}" for one in known)
        yield f'<path class="whisker" d="{path}"/>'


def _lines(points: Sequence[Point], across: Axis, up: Axis) -> Iterator[str]:
    for run in _runs(points, lambda one: len(finite((one.value,))) == 1):
        places = [f"{across(one.at_ns)} {up(_given(one.value))}" for one in run]
        yield f'<path class="line" d="M{"L".join(places)}{"h.1" if len(places) == 1 else ""}"/>'


def _marks(points: Sequence[Point], across: Axis, up: Axis) -> Iterator[str]:
    for one in points:
        if one.verdict in MARKS and finite((one.value,)):
            yield MARKS[one.verdict](float(across(one.at_ns)), float(up(_given(one.value))))


def _given(value: float | None) -> float:
    assert value is not None
    return value
