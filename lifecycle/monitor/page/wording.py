"""Numbers, times and other people's texts as the page shows them."""

import math
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from lifecycle.monitor.findings import Finding, Looked, Verdict

DASH = "–"
DAY_NS = 86_400 * 1_000_000_000
WORDS: Mapping[Verdict, str] = {"page": "page", "warning": "warning", "watch": "watch", "ok": "as expected"}
MEANINGS: Mapping[Verdict, str] = {
    "page": "beyond chance, and so large that somebody should look now",
    "warning": "beyond chance, and large enough to act on today",
    "watch": "beyond chance, but too small to act on",
    "ok": "no more than chance gives, or than its limit allows",
}
LONGEST_TEXT = 4_000  # characters of one text that is not ours
UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn"}  # categories of characters that are not seen, or turn the order of others around
SECONDS = ((172_800.0, 86_400.0, "days"), (7_200.0, 3_600.0, "h"), (120.0, 60.0, "min"))  # from, size, name


def plain_text(value: Any) -> str:
    """The value as text, cut if it is long; characters that nobody sees, or that turn others around, as their numbers."""
    text = value if isinstance(value, str) else "" if value is None else str(value)
    text = text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]} … ({len(text):,} characters)"
    return "".join(f"\\u{ord(one):04x}" if unicodedata.category(one) in UNSEEN and one != "\n" else one for one in text)


def count(number: float | None) -> str:
    return DASH if number is None or not math.isfinite(number) else f"{number:,.0f}"


def number(value: float | None) -> str:
    """Three digits that count: 1,234, 12.3, 0.0123, 1.2e-7."""
    if value is None:
        return DASH
    if not math.isfinite(value):
        return "not a number" if math.isnan(value) else "infinite"
    size = abs(value)
    if value == 0 or size >= 99.95:
        return f"{value:,.0f}"
    if size < 0.0001:
        return f"{value:.1e}"
    return f"{value:.{max(0, 2 - math.floor(math.log10(size)))}f}"


def amount(value: float | None, unit: str) -> str:
    """The value with what it is counted in: 5.02 % of rows, 26 h, 1.15 observed by predicted."""
    scaled, name = scaling(value, unit)
    return DASH if value is None else unbroken(f"{number(value * scaled)} {name}".strip())


def scaling(value: float | None, unit: str) -> tuple[float, str]:
    """By what a value of `unit` is multiplied to be shown, and what stands behind it."""
    unit = plain_text(unit)
    if unit.startswith("share"):
        return 100.0, f"% {unit.removeprefix('share').strip()}".strip()
    if unit in ("s", "seconds"):
        for least, size, name in SECONDS:
            if value is not None and math.isfinite(value) and abs(value) >= least:
                return 1 / size, name
        return 1.0, "s"
    return 1.0, unit


def interval(finding: Finding) -> str:
    """Of the effect, in its unit's numbers; empty where there is none."""
    if finding.interval is None:
        return ""
    factor, _ = scaling(finding.effect, finding.unit)
    low, high = (number(factor * bound) for bound in finding.interval)
    return f"{low} to {high}"


def chance(finding: Finding) -> str:
    """What chance alone would give at the level that this look may spend."""
    if finding.chance is None:
        return "no matter of chance"
    factor, name = scaling(finding.effect, finding.unit)
    return unbroken(f"up to {number(factor * finding.chance)} {name}".strip())


def error(finding: Finding) -> str:
    """The p-value beside the error that this look may spend."""
    parts = [f"p {number(finding.p_value)}"] if finding.p_value is not None else []
    parts += [f"may spend {number(finding.level)}"] if finding.level is not None else []
    return ", ".join(parts)


def moment(ns: int | None) -> str:
    """To the minute, in UTC."""
    if ns is None:
        return DASH
    try:
        return f"{datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=ns // 1000):%Y-%m-%d %H:%M}"
    except (OverflowError, ValueError):
        return f"{ns} ns"


def period(start_ns: int, end_ns: int) -> str:
    """From when to when, the day once if it is one; whole days without their hours."""
    if start_ns < end_ns and start_ns % DAY_NS == end_ns % DAY_NS == 0:
        first, last = moment(start_ns)[:10], moment(end_ns - 1)[:10]
        return first if first == last else f"{first} to {last}"
    start, end = moment(start_ns), moment(end_ns)
    return f"{start} to {end[11:]}" if start[:10] == end[:10] else f"{start} to {end}"


def window(one: Looked) -> str:
    return period(one.start_ns, one.end_ns)


def sentence(text: str) -> str:
    """A text of the monitor's, with a full stop."""
    text = plain_text(text).strip()
    return unbroken(text if not text or text.endswith((".", "!", "?")) else f"{text}.")


def unbroken(text: str) -> str:
    """A percent sign stays on the line of its number."""
    return text.replace(" %", "\u00a0%")


def listed(words: Sequence[str]) -> str:
    """One, two and three."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""


def counted(amount: int, one: str, many: str | None = None) -> str:
    return f"{amount:,} {one if amount == 1 else many or f'{one}s'}"
