"""Times as people write them: a month, a day, a time."""

import re
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment_ns(text: str, what: str) -> int:
    """Nanoseconds since 1970: of a month or day its end, of a time itself. Raises ValueError."""
    try:
        if re.fullmatch(r"\d{4}-\d\d", text):
            return _ns((datetime.fromisoformat(f"{text}-28").replace(tzinfo=UTC) + timedelta(days=4)).replace(day=1))
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise ValueError(
            f"{what} must be a month (2026-08), a day (2026-08-31; both mean their end) or a time (2026-08-31T18:00+00:00), "
            f"got '{text[:60]}'"
        ) from None
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return _ns(moment + timedelta(days=1) if re.fullmatch(r"\d{4}-\d\d-\d\d", text) else moment)


def _ns(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1) * 1000


def shown_time(at_ns: int | None) -> str:
    """To the minute, UTC."""
    return "never" if at_ns is None else f"{EPOCH + timedelta(microseconds=at_ns // 1000):%Y-%m-%d %H:%M}"
