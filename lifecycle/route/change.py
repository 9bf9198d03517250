"""The route that a change makes of the one in force, or why it makes none."""

import secrets
from dataclasses import fields, replace
from decimal import Decimal
from typing import Any

from contracts.clock import clock
from contracts.serving.config import RoutingConfig
from contracts.serving.release_log import append
from contracts.serving.route import Limits, Route, Trial, ppm_of
from lifecycle.route.compatible import refuse_other_tensors
from lifecycle.route.words import Change
from serving.releases.routing import fuse_of, route_entry
from serving.releases.store import Store

SALT_BYTES = 8


def set_route(store: Store, change: Change, config: RoutingConfig, valid_s: int, why: str, salt: str | None = None) -> Route:
    """Put a route in force, behind its line in the log; a renewal has none. Raises ValueError if it may not be."""
    before, route = store.readable_route(), next_route(store, change, config, valid_s, why, salt)
    is_news = before is None or before.digest != route.digest
    if is_news:
        append(store.folder, route_entry(store.folder, route, *([why] if why else [])))
    if is_news or change.verb != "off":
        store.replace_route(before, route)
    return route


def next_route(store: Store, change: Change, config: RoutingConfig, valid_s: int, why: str, salt: str | None = None) -> Route:
    """What is to be in force. Raises ValueError if the change does not go with what is.

    `valid_s`: until the champion answers all, from now on. `salt`: of the rollout that the change belongs to; None: of the one
    under way, or a new one.
    """
    route = store.readable_route() if change.verb == "off" else store.route()
    champion = store.active()
    if champion is None:
        raise ValueError(f"{store.folder}/ serves nothing yet; `make serve` or `make deploy` makes the first release")
    if change.verb == "off":
        return Route(champion=champion)
    trial, until_ms = None if route is None else route.trial, clock().now_ns() // 1_000_000 + valid_s * 1000
    if change.challenger is not None:
        if change.challenger == champion:
            raise ValueError(f"release {champion} is the champion; a challenger is another release")
        if salt is None:
            salt = _salt(store, route, change.challenger, why)
        else:
            _refuse_other_rollout(store, route, change.challenger, salt)
        return _begun(store, champion, change, config, until_ms, salt)
    if route is None or trial is None:
        raise ValueError(f'there is no rollout to {change.verb}; begin one: make route SET="canary 13 5"')
    _refuse_blown(store, route, trial)
    return replace(route, trial=replace(_changed(route, trial, change), valid_until_ms=until_ms))


def _begun(store: Store, champion: int, change: Change, config: RoutingConfig, until_ms: int, salt: str) -> Route:
    """A rollout of the challenger, or another mode of the one that is under way."""
    challenger = change.challenger
    assert challenger is not None and change.share_ppm is not None and change.verb in ("shadow", "canary", "ab")
    store.require(challenger)
    refuse_other_tensors(store.folder, champion, challenger)
    usual = config.shadow_share if change.verb == "shadow" else config.pair_share
    begun = Trial(
        challenger=challenger,
        share_ppm=change.share_ppm,
        shadow_ppm=ppm_of(str(usual)) if change.shadow_ppm is None else change.shadow_ppm,
        salt=salt,
        valid_until_ms=until_ms,
        limits=limits_of(config),
    )
    return Route(champion=champion, mode=change.verb, trial=begun)


def _changed(route: Route, trial: Trial, change: Change) -> Trial:
    if change.share_ppm is None:
        return trial
    if route.mode == "shadow":
        raise ValueError(
            "in mode shadow the challenger answers nobody, so it has no share; "
            f'give it one: make route SET="canary {trial.challenger} 5"'
        )
    shadow_ppm = trial.shadow_ppm if change.shadow_ppm is None else change.shadow_ppm
    return replace(trial, share_ppm=change.share_ppm, shadow_ppm=shadow_ppm)


def _salt(store: Store, route: Route | None, challenger: int, why: str) -> str:
    """A new one for a new rollout; the one of the rollout that is under way if it is of this challenger: users keep their arms.

    A challenger whose fuse has blown is a new rollout, with other users, and for a reason.
    """
    if route is None or route.trial is None:
        return secrets.token_hex(SALT_BYTES)
    if route.trial.challenger != challenger:
        raise ValueError(f"a rollout of release {route.trial.challenger} is under way; end it first: make route SET=off")
    fuse = fuse_of(store.folder, route)
    if fuse is not None and not why.strip():
        raise ValueError(
            f"release {challenger} is off for good ({fuse.reason}; `make route` shows the evidence); "
            'WHY="..." begins a new rollout of it, with a new salt'
        )
    return route.trial.salt if fuse is None else secrets.token_hex(SALT_BYTES)


def _refuse_other_rollout(store: Store, route: Route | None, challenger: int, salt: str) -> None:
    """Raise ValueError if the route is of another rollout than this one, or its fuse has blown."""
    if route is None or route.trial is None:
        return
    if (route.trial.challenger, route.trial.salt) != (challenger, salt):
        raise ValueError(f"a rollout of release {route.trial.challenger} is under way; end it first: make route SET=off")
    _refuse_blown(store, route, route.trial)


def _refuse_blown(store: Store, route: Route, trial: Trial) -> None:
    fuse = fuse_of(store.folder, route)
    if fuse is not None:
        raise ValueError(
            f"release {trial.challenger} is off for good ({fuse.reason}; `make route` shows the evidence); "
            "`make route SET=off` ends its rollout"
        )


def limits_of(config: RoutingConfig) -> Limits:
    """As the route has them: exact decimals, of which there is one spelling."""
    found: dict[str, Any] = {limit.name: getattr(config, limit.name) for limit in fields(Limits)}
    found |= {name: Decimal(repr(value)) for name, value in found.items() if isinstance(value, float)}
    return Limits(**found)
