"""The route of a store and its fuses: files that are replaced as a whole, and on the disk before anything follows from them.

The route says who answers; a fuse says that the challenger of a route is off for good, and why (docs/routing.md).
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from contracts.clock import clock
from contracts.files import sync, write_whole
from contracts.serving.fuse import Fuse, read_fuse, shown, write_fuse
from contracts.serving.release_log import Entry
from contracts.serving.releases import identity, model_of
from contracts.serving.route import NAME, Route, parse, percent, read_route, text_of


def route_of(store: Path) -> Route | None:
    """The route in the store; None if there is none. Raises ValueError if it is broken."""
    return read_route(store / NAME)


def write_route(store: Path, route: Route) -> None:
    """Put it in force. Raises ValueError for what could not be read again; the route before then stays."""
    text = text_of(route)
    if parse(text) != route:
        raise ValueError(f"a route that reads differently from what was meant:\n{text}")
    store.mkdir(parents=True, exist_ok=True)
    write_whole(store / NAME, text.encode(), synced=True)
    sync(store)


def remove_route(store: Path) -> None:
    (store / NAME).unlink(missing_ok=True)
    sync(store)


def in_words(route: Route) -> str:
    """A route as one line for people."""
    trial = route.trial
    if trial is None:
        return f"champion {route.champion}, no challenger"
    share = "" if route.mode == "shadow" else f"{route.mode} {percent(trial.share_ppm)} %, "
    return (
        f"champion {route.champion}, challenger {trial.challenger}, {share}shadow {percent(trial.shadow_ppm)} %, "
        f"valid until {moment(trial.valid_until_ms)}"
    )


def moment(since_1970_ms: int) -> str:
    """In UTC, to the second; a time beyond all calendars as the number that it is."""
    try:
        return f"{datetime.fromtimestamp(since_1970_ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):
        return f"{since_1970_ms} ms since 1970"


def fuse_of(store: Path, route: Route) -> Fuse | None:
    """The route's fuse if it is blown; None if it is whole, or the route has no challenger."""
    return None if route.trial is None else read_fuse(store, route.digest)


def blow_fuse(store: Path, route: Route, reason: str, evidence: Mapping[str, Any]) -> bool:
    """Have the route's challenger off for good; False if it was already, whose reason stays."""
    return write_fuse(store, route.digest, reason, evidence, clock().now_ns())


def refuse_during_rollout(route: Route | None, what: str) -> None:
    """Raises ValueError if there is one."""
    if route is not None and route.trial is not None:
        raise ValueError(
            f"{what}: the route has release {route.trial.challenger} beside {route.champion} (mode {route.mode}), by a rollout "
            "or by hand; `make route SET=off` ends that"
        )


def route_entry(store: Path, route: Route, *reasons: str) -> Entry:
    """The line of releases.jsonl about a route, to be written before it is in force."""
    number = str(route.champion if route.trial is None else route.trial.challenger)
    return Entry(
        event="route",
        model=model_of(store, number),
        champion=model_of(store, str(route.champion)),
        release=identity(store, number),
        route=shown(route.digest),
        text=text_of(route),
        reasons=reasons,
    )
