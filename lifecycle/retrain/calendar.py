"""Spans and calendar months of the clock, in UTC."""

from datetime import UTC, datetime, timedelta

NS, DAY_NS = 10**9, 86_400 * 10**9
UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1)}


def after(at_ns: int, span: str) -> int:
    """The time that lies a span such as "12h", "7d" or "1mo" after another.

    A month later is the same day of the next month, or the last that it has.
    """
    unit = span.lstrip("0123456789")
    number = int(span.removesuffix(unit))
    if unit != "mo":
        return at_ns + number * UNITS[unit] // timedelta(microseconds=1) * 1000
    at = _moment(at_ns)
    year, month = divmod(at.year * 12 + at.month - 1 + number, 12)
    first = datetime(year, month + 1, 1, tzinfo=UTC)
    moved = first.replace(day=min(at.day, days_of(first)), hour=at.hour, minute=at.minute, second=at.second)
    return _ns(moved) + at_ns % NS


def days_of(first: datetime) -> int:
    """How many days the month has that begins then."""
    return (_next(first) - first).days


def month_of(at_ns: int) -> str:
    """As 2026-08."""
    return f"{_moment(at_ns):%Y-%m}"


def end_of_month(month: str) -> int:
    """When the next one begins."""
    return _ns(_next(datetime.fromisoformat(f"{month}-01").replace(tzinfo=UTC)))


def last_whole_month(until_ns: int) -> str:
    """The newest month that was over by then."""
    first = _moment(until_ns).replace(day=1, hour=0, minute=0, second=0)
    return f"{first - timedelta(days=1):%Y-%m}"


def end_of_day(at_ns: int) -> int:
    """Midnight after it; a midnight is its own."""
    return -(-at_ns // DAY_NS) * DAY_NS


def time_ns(text: str) -> int:
    """Of a time in ISO 8601."""
    moment = datetime.fromisoformat(text)
    return _ns(moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC))


def shown(at_ns: int) -> str:
    return f"{_moment(at_ns):%Y-%m-%d %H:%M}"


def _moment(at_ns: int) -> datetime:
    return datetime.fromtimestamp(at_ns // NS, UTC)


def _next(first: datetime) -> datetime:
    return (first + timedelta(days=32)).replace(day=1)


def _ns(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000
