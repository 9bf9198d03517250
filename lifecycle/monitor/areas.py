"""The areas of the monitor: modules with `look(context)`, in the order in which they are shown."""

from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec

from lifecycle.monitor.findings import Area, Context

AREAS = (
    "lifecycle.monitor.inputs.area",
    "lifecycle.monitor.quality.area",
    "lifecycle.monitor.skew.area",
    "lifecycle.monitor.feed",
    "lifecycle.monitor.machine.area",
    "lifecycle.monitor.journal_health",
)


def looked_at(context: Context) -> Iterator[Area]:
    """What each area that there is has found."""
    for name in AREAS:
        if _is_there(name):
            yield import_module(name).look(context)


def _is_there(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False
