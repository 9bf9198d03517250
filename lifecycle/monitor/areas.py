"""The areas of the monitor, in the order in which they are shown."""

from collections.abc import Callable

from lifecycle.monitor import feed, journal_health
from lifecycle.monitor.findings import Area, Context
from lifecycle.monitor.inputs import area as inputs
from lifecycle.monitor.machine import area as machine
from lifecycle.monitor.quality import area as quality
from lifecycle.monitor.skew import area as skew

AREAS: tuple[Callable[[Context], Area], ...] = (
    inputs.look,
    quality.look,
    skew.look,
    feed.look,
    machine.look,
    journal_health.look,
)


def looked_at(context: Context) -> list[Area]:
    """What each area has found."""
    return [look(context) for look in AREAS]
