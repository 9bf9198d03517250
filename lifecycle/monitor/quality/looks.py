"""When quality is looked at, and which error each look may spend.

A look ends with a whole day (UTC) and takes as many days as have `look_rows` rows with a label, so there is at most one a day.
Each look spends the share of the month's error that its days are of a month: the sum over any month is at most the month's error
(a uniform spending function, Lan and DeMets 1983, spent by Bonferroni, so how looks depend on each other need not be known).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from contracts.lifecycle.monitor import QualityConfig

MONTH_DAYS = 31


@dataclass(frozen=True, kw_only=True)
class QualityLook:
    """Days that are new at this look, and the days before them that it looks at again."""

    first: date
    last: date
    recent: date  # first day of the last `window_rows` rows

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1


@dataclass(frozen=True, kw_only=True)
class ErrorShare:
    """Of one figure at one look."""

    warning: float
    page: float

    def times(self, share: float) -> "ErrorShare":
        return ErrorShare(warning=self.warning * share, page=self.page * share)


def plan_looks(rows: Sequence[tuple[date, int]], config: QualityConfig, after: date | None = None) -> list[QualityLook]:
    """Looks at days with so many labelled rows each, in order; `after` is the last day that was looked at."""
    looks, first, pending = list[QualityLook](), None, 0
    for place, (day, number) in enumerate(rows):
        if after is not None and day <= after:
            continue
        first, pending = first or day, pending + number
        if pending >= config.look_rows:
            looks.append(QualityLook(first=first, last=day, recent=_recent(rows[: place + 1], first, config.window_rows)))
            first, pending = None, 0
    return looks


def _recent(rows: Sequence[tuple[date, int]], first: date, wanted: int) -> date:
    """The latest day from which on there are as many rows as the long window has; the short one is in it."""
    number = 0
    for day, here in reversed(rows):
        if number + here > wanted and day < first:
            break
        number, found = number + here, day
    return found


def error_of(look: QualityLook, config: QualityConfig, releases: int) -> ErrorShare:
    """What this look may spend, for each of so many releases."""
    part = look.days / MONTH_DAYS / releases
    return ErrorShare(warning=config.error * part, page=config.page_error * part)
