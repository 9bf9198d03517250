"""The route in force, as lines for a terminal."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from contracts.clock import clock
from contracts.serving.fuse import shown
from contracts.serving.route import Limits, Route, percent
from serving.releases.routing import fuse_of, in_words, moment
from serving.releases.store import Store


def route_lines(store: Store) -> list[str]:
    """Arms, shares, end, limits, and the fuse with its evidence. Raises ValueError if the file is broken."""
    route, active = store.route(), store.active()
    if active is None:
        return [f"{store.folder}/ serves nothing yet; `make serve` or `make deploy` makes the first release"]
    if route is None:
        return [f"there is none yet: version {active} answers; `make serve` writes the first"]
    if route.trial is None:
        return [f"{in_words(route)} (route {shown(route.digest)})"]
    limits = ", ".join(f"{limit.name} {getattr(route.trial.limits, limit.name)}" for limit in fields(Limits))
    return [
        f"{in_words(route)} (route {shown(route.digest)})",
        f"salt {route.trial.salt}, {limits}",
        _who_answers(store, route),
    ]


def _who_answers(store: Store, route: Route) -> str:
    assert route.trial is not None
    trial, fuse = route.trial, fuse_of(store.folder, route)
    everybody = f"champion {route.champion} answers everybody"
    if fuse is not None:
        when = "" if fuse.at_ns is None else f" at {moment(fuse.at_ns // 1_000_000)}"
        return f"{everybody}: the fuse blew{when}, {fuse.reason}{_evidence(fuse.evidence)}"
    left_s = trial.valid_until_ms // 1000 - clock().now_ns() // 1_000_000_000
    if left_s <= 0:
        return f"{everybody}: the route lapsed {-left_s} s ago; `make route SET=renew` goes on with it"
    if trial.challenger not in store.versions():
        return f"{everybody}: release {trial.challenger} is not in {store.folder}/"
    if route.mode == "shadow":
        return f"{everybody}, challenger {trial.challenger} computes beside it, for {left_s} s more"
    return (
        f"challenger {trial.challenger} answers {percent(trial.share_ppm)} % of the keys for {left_s} s more; its fuse is whole"
    )


def _evidence(evidence: Mapping[str, Any]) -> str:
    said = ", ".join(f"{name} {value}" for name, value in evidence.items())
    return f" ({said})" if said else ""
