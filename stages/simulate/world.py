"""The lasting part of the exchange: users, sites and advertisers with their latent properties, drawn once from the seed.

Shape letters: U users, S sites, A advertisers, G segments, W site categories, C ad categories.
"""

from dataclasses import dataclass

import numpy as np

from stages.simulate import names
from stages.simulate.config import ExchangeConfig
from stages.simulate.randomness import draw_by_weight, generator, power_law

NUM_SEGMENTS = len(names.USER_SEGMENTS)
NUM_SITE_CATEGORIES = len(names.SITE_CATEGORIES)
NUM_AD_CATEGORIES = len(names.AD_CATEGORIES)
_DEVICE_WEIGHTS = np.array([[0.56, 0.30, 0.09, 0.05]])
_MIN_AGE_YEARS, _MAX_AGE_YEARS = 16, 90


@dataclass(frozen=True, kw_only=True)
class Users:
    activity_U: np.ndarray  # share of impressions, sum 1
    segment_U: np.ndarray  # index into USER_SEGMENTS
    age_U: np.ndarray  # years, whole numbers; NaN where the user never told
    region_U: np.ndarray  # index into REGIONS
    device_U2: np.ndarray  # main and second device, index into DEVICES
    os_U2: np.ndarray  # operating system on each of the two
    effect_U: np.ndarray  # log-odds that only the user id explains
    taste_UR: np.ndarray  # personal leaning along the two directions of Advertisers.leaning_CR


@dataclass(frozen=True, kw_only=True)
class Sites:
    traffic_S: np.ndarray  # share of impressions, sum 1
    category_S: np.ndarray  # index into SITE_CATEGORIES
    quality_S: np.ndarray  # standard normal; moves both the click probability and the floor price
    reach_GS: np.ndarray  # weight of a site for each user segment


@dataclass(frozen=True, kw_only=True)
class Advertisers:
    budget_A: np.ndarray  # share of creatives, sum 1
    category_A: np.ndarray  # index into AD_CATEGORIES
    effect_A: np.ndarray  # standard normal
    leaning_CR: np.ndarray  # two directions in which a person can prefer ad categories, standard normal
    context_WC: np.ndarray  # how much more often an ad category is bought on a site category


@dataclass(frozen=True, kw_only=True)
class World:
    users: Users
    sites: Sites
    advertisers: Advertisers


def draw_world(config: ExchangeConfig) -> World:
    return World(users=_draw_users(config), sites=_draw_sites(config), advertisers=_draw_advertisers(config))


def _draw_users(config: ExchangeConfig) -> Users:
    rng, size = generator(config.seed, "users"), config.num_users
    segment_U = rng.integers(NUM_SEGMENTS, size=size)
    age_U = np.array(names.SEGMENT_AGES)[segment_U] + rng.normal(0.0, 8.0, size)
    age_U = np.clip(np.round(age_U), _MIN_AGE_YEARS, _MAX_AGE_YEARS)
    age_U[rng.random(size) < config.age_missing_frac] = np.nan
    device_U2 = draw_by_weight(_DEVICE_WEIGHTS, np.zeros(2 * size, np.int64), rng.random(2 * size))
    os_U2 = draw_by_weight(np.array(names.DEVICE_OS_WEIGHTS), device_U2, rng.random(2 * size))
    share = config.user_effect_std / np.sqrt(2.0)  # half of the variance everywhere, half by ad category
    return Users(
        activity_U=power_law(rng, size, exponent=0.9, offset=0.01 * size),
        segment_U=segment_U,
        age_U=age_U,
        region_U=draw_by_weight(np.linspace(2.0, 0.5, len(names.REGIONS))[None], np.zeros(size, np.int64), rng.random(size)),
        device_U2=device_U2.reshape(size, 2),
        os_U2=os_U2.reshape(size, 2),
        effect_U=rng.normal(0.0, 1.0, size) * share,
        taste_UR=rng.normal(0.0, 1.0, (size, 2)) * share / np.sqrt(2.0),
    )


def _draw_sites(config: ExchangeConfig) -> Sites:
    rng, size = generator(config.seed, "sites"), config.num_sites
    traffic_S = power_law(rng, size, exponent=1.0, offset=4.0)
    category_S = rng.permutation(np.arange(size) % NUM_SITE_CATEGORIES)
    affinity_GW = np.exp(0.6 * rng.normal(0.0, 1.0, (NUM_SEGMENTS, NUM_SITE_CATEGORIES)))
    return Sites(
        traffic_S=traffic_S,
        category_S=category_S,
        quality_S=rng.normal(0.0, 1.0, size),
        reach_GS=traffic_S * affinity_GW[:, category_S],
    )


def _draw_advertisers(config: ExchangeConfig) -> Advertisers:
    rng, size = generator(config.seed, "advertisers"), config.num_advertisers
    return Advertisers(
        budget_A=power_law(rng, size, exponent=0.7, offset=3.0),
        category_A=rng.permutation(np.arange(size) % NUM_AD_CATEGORIES),
        effect_A=rng.normal(0.0, 1.0, size),
        leaning_CR=rng.normal(0.0, 1.0, (NUM_AD_CATEGORIES, 2)),
        context_WC=np.exp(0.5 * rng.normal(0.0, 1.0, (NUM_SITE_CATEGORIES, NUM_AD_CATEGORIES))),
    )
