"""Months and days of the exchange, in UTC, and when a fault begins."""

from datetime import UTC, date, datetime, timedelta

from contracts.lifecycle.live import FaultConfig

DAY_MS = 86_400_000
EPOCH = date(1970, 1, 1)


def months_after(month: str, number: int) -> tuple[str, ...]:
    """So many months from the next one on, as YYYY-MM."""
    year, this = map(int, month.split("-"))
    return tuple(f"{year + at // 12:04d}-{at % 12 + 1:02d}" for at in range(this, this + number))


def first_day(month: str) -> date:
    return date.fromisoformat(f"{month}-01")


def month_of(day: date) -> str:
    return f"{day:%Y-%m}"


def days_of(months: tuple[str, ...], days_after: int) -> list[date]:
    """All days of these months, which follow each other, and so many after."""
    end = first_day(months_after(months[-1], 1)[0]) + timedelta(days=days_after)
    start = first_day(months[0])
    return [start + timedelta(days=number) for number in range((end - start).days)]


def start_ms(day: date) -> int:
    """Milliseconds since 1970."""
    return (day - EPOCH).days * DAY_MS


def fault_since_ms(fault: FaultConfig, months: tuple[str, ...]) -> int:
    return start_ms(first_day(months[0])) + round((fault.from_day - 1) * DAY_MS)


def instant(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
