"""Who is to blame when Triton ends by itself while a challenger is open: the challenger, since nobody can say who was."""

from collections.abc import Mapping
from typing import Any

from contracts.serving.fuse import shown
from serving.releases.routing import blow_fuse
from serving.releases.store import Store

REASON = "crash"


def blame_challenger(store: Store, evidence: Mapping[str, Any]) -> str | None:
    """Blow the fuse of the route's challenger, so that the next Triton is without it; returns what to say of it.

    None if there is no challenger, or it is off already.
    """
    route = store.readable_route()
    if route is None or route.trial is None:
        return None
    try:
        is_new = blow_fuse(store.folder, route, REASON, evidence)
    except OSError as error:
        return f"the fuse of challenger {route.trial.challenger} could not be written ({error.strerror}), so it stays open"
    name = f"challenger {route.trial.challenger} is off for good (fuse of route {shown(route.digest)}, reason {REASON})"
    return name if is_new else None
