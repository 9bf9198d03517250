"""Numbers of the load report as a reader wants them, a dash with its reason where there is none."""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup, escape

from loadtests.verdicts.latency import Quantile

DASH = "–"


def count(number: float | None) -> str:
    return DASH if number is None else f"{number:,.0f}"


def percent(share: float | None) -> str:
    """Two digits that count, of what is missing to 100 % if that is less: 12 %, 0.012 %, 99.87 %."""
    if share is None:
        return DASH
    value = 100 * share
    near, digits = round(min(value, 100 - value), 9), 0
    while digits < 6 and 0 < near < 10 ** (1 - digits):
        digits += 1
    return f"{value:.{digits}f} %"


def number(value: float | None) -> str:
    """Three digits that count, down to thousandths: 1,234, 12.3, 1.23, 0.012."""
    if value is None:
        return DASH
    if abs(value) >= 99.95 or value == 0:
        return f"{value:,.0f}"
    if 0 < value < 0.001:
        return "<0.001"
    return f"{value:.{1 if abs(value) >= 9.995 else 2 if abs(value) >= 0.9995 else 3}f}"


def ms(value: float | None) -> str:
    return DASH if value is None else f"{number(value)} ms"


def figure(name: str, value: float | None) -> str:
    """The value of a figure or threshold as its name says: ms, a share in percent, or a number."""
    shown = ms if name.endswith("_ms") else percent if name.endswith("_share") else number
    return shown(value)


def percentile(q: float) -> str:
    """p99.9 for 0.999."""
    return f"p{100 * q:.10g}"


def quantile_cell(found: Quantile) -> Markup:
    """The quantile in ms over its interval, or a dash that says why there is none."""
    if found.ms is None:
        why = escape(f"not claimed: {found.num_samples:,} requests are too few for {percentile(found.q)}")
        return Markup('<span class="none" title="{}">too few</span>').format(why)
    shown = Markup('{} <span class="interval">[{}, {}]</span>')
    return shown.format(number(found.ms), number(found.low_ms), number(found.high_ms))


def duration(seconds: float) -> str:
    """1 h 3 min, 2 min 5 s, 12.3 s."""
    if seconds < 60:
        return f"{seconds:.3g} s"
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    shown = [(hours, "h"), (minutes, "min"), (rest if not hours else 0, "s")]
    return " ".join(f"{value} {unit}" for value, unit in shown if value)


def flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested settings as (dotted name, value) pairs, in their own order."""
    pairs: list[tuple[str, str]] = []
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            pairs += flat(value, f"{name}.")
        elif isinstance(value, list | tuple):
            pairs.append((name, "; ".join(_item(one) for one in value)))
        else:
            pairs.append((name, _item(value)))
    return pairs


def _item(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_item(one)}" for key, one in value.items() if one is not None)
    return DASH if value is None or value == {} else f"{value:,}" if isinstance(value, int) and value > 9999 else str(value)
