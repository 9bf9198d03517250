"""Months as text ("2026-07"), as an index counted from a fixed origin, and as seconds since 1970; all UTC."""

import re
from datetime import UTC, datetime

ORIGIN_YEAR = 2000  # index 0 is January of this year; never change it, every generator is seeded by the index
DAY_S = 86_400
_MONTH = re.compile(r"20[1-9]\d-(0[1-9]|1[0-2])")


def is_month(text: str) -> bool:
    return _MONTH.fullmatch(text) is not None


def month_index(month: str) -> int:
    """Months since the origin. Raises ValueError for anything but YYYY-MM between 2010-01 and 2099-12."""
    if not is_month(month):
        raise ValueError(f"a month must be YYYY-MM between 2010-01 and 2099-12, got {month!r}")
    return (int(month[:4]) - ORIGIN_YEAR) * 12 + int(month[5:]) - 1


def month_name(index: int) -> str:
    return f"{ORIGIN_YEAR + index // 12:04d}-{index % 12 + 1:02d}"


def month_start_s(index: int) -> int:
    """Seconds since 1970 at which the month begins."""
    return int(datetime(ORIGIN_YEAR + index // 12, index % 12 + 1, 1, tzinfo=UTC).timestamp())
