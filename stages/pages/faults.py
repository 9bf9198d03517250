"""What goes wrong in the world itself from a moment on: tastes that drift, a new site, a bot, images that come darker.

Draws for a fault are of their own, so that page views before it are what they would be without.

Shape letters: P page views, N rows, C creatives, U users.
"""

from dataclasses import dataclass, fields, replace

import numpy as np

from contracts.lifecycle.live import FaultKind
from stages.simulate.appeal import Appeal
from stages.simulate.clicks import ClickModel, log_odds_parts
from stages.simulate.config import ExchangeConfig
from stages.simulate.creatives import Creatives
from stages.simulate.months import DAY_S
from stages.simulate.randomness import generator
from stages.simulate.tastes import Drift, no_drift
from stages.simulate.traffic import Traffic
from stages.simulate.world import Sites, Users, World

NEW_USERS = 0.05  # visitors of a new site, by users there were
SURE = 50.0  # log-odds of what happens always
PUSH, DIMMED = 200_000, 300_000  # months that no generator has: the directions of a drift, and which images are darker


@dataclass(frozen=True, kw_only=True)
class WorldFault:
    kind: FaultKind  # one of contracts.lifecycle.live.WORLD
    since_s: int  # seconds since 1970
    share: float  # of page views; of dark_images, of creatives that go live from then on
    size: float = 0.0  # of drift log-odds; of dark_images the share of its light that a pixel keeps
    over_days: float = 0.0  # until a drift has its size


def changed_pages(world: World, pages: Traffic, fault: WorldFault, rng: np.random.Generator) -> tuple[World, Traffic]:
    """The world with the users and the site that the fault brings, and the page views, of which some are theirs then."""
    touched_P = (pages.timestamp_s_N >= fault.since_s) & (rng.random(len(pages)) < fault.share)
    num_users, quality_P = len(world.users.segment_U), world.sites.quality_S[pages.site_N]
    if fault.kind == "bot":
        model_user = int(np.argmax(world.users.activity_U))
        world = replace(world, users=_with_users(world.users, np.array([model_user])))
        return world, _of_users(world, pages, touched_P, np.full(len(pages), num_users))
    if fault.kind == "new_site":
        models = rng.integers(num_users, size=max(1, round(NEW_USERS * num_users)))
        world = replace(world, users=_with_users(world.users, models), sites=_with_site(world.sites))
        pages = _of_users(world, pages, touched_P, num_users + rng.integers(len(models), size=len(pages)))
        price_P = np.round(pages.floor_price_N * np.exp(-0.45 * quality_P), 2)  # its quality is 0
        return world, replace(
            pages,
            site_N=np.where(touched_P, len(world.sites.quality_S) - 1, pages.site_N),
            floor_price_N=np.where(touched_P, np.maximum(price_P, 0.05), pages.floor_price_N),
        )
    return world, pages


def _of_users(world: World, pages: Traffic, touched_P: np.ndarray, user_P: np.ndarray) -> Traffic:
    """The touched page views as these users', on the device that is theirs."""
    return replace(
        pages,
        user_N=np.where(touched_P, user_P, pages.user_N),
        device_N=np.where(touched_P, world.users.device_U2[user_P, 0], pages.device_N),
        os_N=np.where(touched_P, world.users.os_U2[user_P, 0], pages.os_N),
    )


def _with_users(users: Users, models: np.ndarray) -> Users:
    """And others that are like `models`, under ids of their own."""
    return Users(**{f.name: np.concatenate([values := getattr(users, f.name), values[models]]) for f in fields(Users)})


def _with_site(sites: Sites) -> Sites:
    """And one of middling quality that nobody of before goes to."""
    return Sites(
        traffic_S=np.append(sites.traffic_S, 0.0),
        category_S=np.append(sites.category_S, sites.category_S[0]),
        quality_S=np.append(sites.quality_S, 0.0),
        reach_GS=np.concatenate([sites.reach_GS, np.zeros((len(sites.reach_GS), 1))], axis=1),
    )


def extra_log_odds(
    config: ExchangeConfig, model: ClickModel, creatives: Creatives, appeal: Appeal, traffic: Traffic, fault: WorldFault
) -> np.ndarray:
    """What the fault adds to the log-odds of each row: the drift beyond the usual one, and that a bot clicks always."""
    if fault.kind == "bot":
        return np.where(traffic.user_N == len(model.world.users.segment_U) - 1, 2 * SURE, 0.0)
    if fault.kind != "drift":
        return np.zeros(len(traffic))
    push = _push(config)
    moved = replace(model, drift_from=push, drift_to=push)
    days_N = (traffic.timestamp_s_N - fault.since_s) / DAY_S
    full_N = np.clip(days_N / fault.over_days, 0.0, 1.0) if fault.over_days else (days_N >= 0).astype(float)
    chosen_N = generator(config.seed, "dirt", PUSH).random(len(model.world.users.segment_U))[traffic.user_N] < fault.share
    return fault.size * full_N * chosen_N * log_odds_parts(moved, creatives, appeal, traffic)["drift"]


def _push(config: ExchangeConfig) -> Drift:
    """A direction in which tastes move: each entry standard normal, the overall mood left alone."""
    rng, still = generator(config.seed, "drift", PUSH), no_drift()
    drawn = {f.name: rng.standard_normal(getattr(still, f.name).shape) for f in fields(Drift) if f.name != "overall"}
    return replace(still, **drawn)


def dimmed(config: ExchangeConfig, creatives: Creatives, fault: WorldFault | None) -> np.ndarray:
    """Bool [C]: whose images come darker."""
    if fault is None or fault.kind != "dark_images":
        return np.zeros(len(creatives), dtype=bool)
    # by a draw for each, in the order in which they were launched within their month
    cohorts = [name.rpartition("-") for name in creatives.creative_id_C]
    numbers_C = np.array([int(number) for _, _, number in cohorts])
    months_C = np.array([int("".join(filter(str.isdigit, code))) for code, _, _ in cohorts])
    draws_C = np.empty(len(creatives))
    for month in np.unique(months_C):
        at = months_C == month
        draws_C[at] = generator(config.seed, "dirt", DIMMED + int(month)).random(int(numbers_C[at].max()))[numbers_C[at] - 1]
    return (creatives.live_from_s_C >= fault.since_s) & (draws_C < fault.share)
