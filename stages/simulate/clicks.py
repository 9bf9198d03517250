"""The true click probability of every impression, from nothing but what its row, its ids and its image show.

Shape letters: N impressions.
"""

from dataclasses import dataclass

import numpy as np

from stages.simulate import names
from stages.simulate.appeal import Appeal
from stages.simulate.config import ShockConfig
from stages.simulate.creatives import Creatives
from stages.simulate.interests import Interests
from stages.simulate.tastes import Drift, Tastes
from stages.simulate.traffic import Traffic
from stages.simulate.world import World

_POSITION = np.array([0.0, -0.42, -0.72, -0.95, -1.10])  # lower on the page, less seen
_POSITION_BY_DEVICE = np.array([1.25, 0.9, 1.0, 0.4])  # more so where one has to scroll
_DEVICE = np.array([0.10, -0.10, 0.05, -0.35])
_EVENING_BY_DEVICE = np.array([0.30, 0.05, 0.25, 0.35])
_AGE_WIDTH_YEARS = 13.0


@dataclass(frozen=True, kw_only=True)
class ClickModel:
    """All that a month's clicks depend on besides the traffic."""

    world: World
    tastes: Tastes
    drift_from: Drift  # at the beginning of the month
    drift_to: Drift  # at its end
    intercept: float  # log-odds
    shock: ShockConfig | None  # None unless it strikes in this month
    interests: Interests | None = None


def click_probability(model: ClickModel, creatives: Creatives, appeal: Appeal, traffic: Traffic) -> np.ndarray:
    """Float64 [N], rounded to 9 decimals: the last bits of exp differ between processors, a file must not."""
    return to_probability(model.intercept + sum(log_odds_parts(model, creatives, appeal, traffic).values()))


def to_probability(log_odds_N: np.ndarray) -> np.ndarray:
    return np.round(1.0 / (1.0 + np.exp(-log_odds_N)), 9)


def log_odds_parts(model: ClickModel, creatives: Creatives, appeal: Appeal, traffic: Traffic) -> dict[str, np.ndarray]:
    """What each cause adds to the log-odds of each row; their sum and the intercept are all there is."""
    return {
        "place": _place(model, traffic),
        "time": _time(model, traffic),
        "user": _user(model, creatives, traffic),
        "interest": _interest(model, creatives, traffic),
        "advertiser": 0.15 * model.world.advertisers.effect_A[creatives.advertiser_C[traffic.creative_N]],
        "format": model.tastes.device_format_DF[traffic.device_N, creatives.ad_format_C[traffic.creative_N]],
        "fatigue": _fatigue(traffic),
        "image": _image(model, creatives, appeal, traffic),
        "drift": _drift(model, creatives, appeal, traffic),
        "shock": _collapse(model, traffic),
        **({} if model.interests is None else {"wish": _wish(model.interests, creatives, traffic)}),
    }


def _wish(interests: Interests, creatives: Creatives, traffic: Traffic) -> np.ndarray:
    return interests.log_odds(traffic.user_N, creatives.ad_category_C[traffic.creative_N])


def _place(model: ClickModel, traffic: Traffic) -> np.ndarray:
    sites, tastes = model.world.sites, model.tastes
    return (
        0.30 * sites.quality_S[traffic.site_N]
        + tastes.site_category_W[sites.category_S[traffic.site_N]]
        + _POSITION[traffic.position_N] * _POSITION_BY_DEVICE[traffic.device_N]
        + _DEVICE[traffic.device_N]
        + tastes.os_O[traffic.os_N]
    )


def _time(model: ClickModel, traffic: Traffic) -> np.ndarray:
    evening_24 = np.cos(2.0 * np.pi * (np.arange(24) - 20.5) / 24.0)  # highest between 20 and 21 h
    weekend_N = traffic.weekday_N >= 6
    site_category_N = model.world.sites.category_S[traffic.site_N]
    evening_N = evening_24[traffic.hour_N] * _EVENING_BY_DEVICE[traffic.device_N]
    return evening_N + weekend_N * model.tastes.weekend_W[site_category_N]


def _user(model: ClickModel, creatives: Creatives, traffic: Traffic) -> np.ndarray:
    """Segment, region, and the little that only the user id tells."""
    users, user_N = model.world.users, traffic.user_N
    leaning_N2 = model.world.advertisers.leaning_CR[creatives.ad_category_C[traffic.creative_N]]
    personal_N = users.effect_U[user_N] + (users.taste_UR[user_N] * leaning_N2).sum(axis=1)
    return personal_N + model.tastes.segment_G[users.segment_U[user_N]] + model.tastes.region_R[users.region_U[user_N]]


def _interest(model: ClickModel, creatives: Creatives, traffic: Traffic) -> np.ndarray:
    """How the ad's category suits the user's segment, the page and the user's age."""
    users, tastes = model.world.users, model.tastes
    ad_category_N = creatives.ad_category_C[traffic.creative_N]
    age_N = users.age_U[traffic.user_N]
    closeness_N = np.exp(-(((age_N - tastes.age_peak_C[ad_category_N]) / _AGE_WIDTH_YEARS) ** 2))
    return (
        tastes.segment_ad_GC[users.segment_U[traffic.user_N], ad_category_N]
        + tastes.site_ad_WC[model.world.sites.category_S[traffic.site_N], ad_category_N]
        + np.where(np.isnan(age_N), -0.15, 0.7 * closeness_N - 0.3)
    )


def _fatigue(traffic: Traffic) -> np.ndarray:
    """A second look helps a little, more looks tire; and a creative wears out with the weeks."""
    views_N = traffic.frequency_N
    seen_N = np.where(views_N == 1, 0.08, -0.30 * np.log1p(np.maximum(views_N - 1, 0)))
    return seen_N - 0.45 * (1.0 - np.exp(-traffic.days_since_launch_N / 14.0))


def _image(model: ClickModel, creatives: Creatives, appeal: Appeal, traffic: Traffic) -> np.ndarray:
    flipped = model.shock is not None and model.shock.kind == "palette_flip"
    palette_N = appeal.palette_C[traffic.creative_N]
    return appeal.other_CD[traffic.creative_N, traffic.device_N] + (-palette_N if flipped else palette_N)


def _drift(model: ClickModel, creatives: Creatives, appeal: Appeal, traffic: Traffic) -> np.ndarray:
    segment_N = model.world.users.segment_U[traffic.user_N]
    site_category_N = model.world.sites.category_S[traffic.site_N]
    ad_category_N = creatives.ad_category_C[traffic.creative_N]

    def standing(drift: Drift) -> np.ndarray:
        return (
            drift.overall[0]
            + drift.segment_ad_GC[segment_N, ad_category_N]
            + drift.site_ad_WC[site_category_N, ad_category_N]
            + drift.palette_C[ad_category_N] * appeal.warmth_C[traffic.creative_N]
        )

    before_N, after_N = standing(model.drift_from), standing(model.drift_to)
    return before_N + (after_N - before_N) * traffic.month_frac_N


def _collapse(model: ClickModel, traffic: Traffic) -> np.ndarray:
    shock = model.shock
    if shock is None or shock.kind != "collapse":
        return np.zeros(len(traffic))
    category_N = model.world.sites.category_S[traffic.site_N]
    struck_N = category_N == names.SITE_CATEGORIES.index(shock.site_category)
    return shock.log_odds * (struck_N & (traffic.device_N == names.DEVICES.index(shock.device)))
