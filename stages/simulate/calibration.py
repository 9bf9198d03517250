"""Constants of the world that make the wanted click rate and image effect come true, from a sample drawn with the seed."""

import numpy as np

from stages.simulate.appeal import AppealScale, fit_appeal_scale, image_appeal
from stages.simulate.clicks import ClickModel, log_odds_parts, to_probability
from stages.simulate.config import ExchangeConfig
from stages.simulate.creatives import live_creatives
from stages.simulate.interests import draw_interests
from stages.simulate.months import month_index
from stages.simulate.names import DEVICES
from stages.simulate.randomness import generator
from stages.simulate.tastes import Tastes, no_drift
from stages.simulate.traffic import draw_traffic
from stages.simulate.world import World

_MAX_SAMPLE_ROWS = 40_000
_WARM_UP_MONTHS = 2  # the sample is of an exchange that has been open for a while, as most months are


def calibrate(config: ExchangeConfig, world: World, tastes: Tastes) -> tuple[AppealScale, float]:
    """The image effect's scale and the intercept. They depend on neither drift nor shock, so both show in the clicks."""
    month_idx = month_index(config.first_month)
    creatives = live_creatives(config, world, month_idx, since_idx=month_idx - _WARM_UP_MONTHS)
    device_share_D = np.bincount(world.users.device_U2.ravel(), minlength=len(DEVICES)) / world.users.device_U2.size
    scale = fit_appeal_scale(creatives, tastes, device_share_D, config.image_effect_std)
    num_rows = min(config.impressions_per_month, _MAX_SAMPLE_ROWS)
    traffic = draw_traffic(
        config,
        world,
        creatives,
        month_idx,
        num_rows,
        _some_users(world.users.activity_U, num_rows / config.impressions_per_month),
        generator(config.seed, "calibration"),
    )
    still = no_drift()
    model = ClickModel(
        world=world,
        tastes=tastes,
        drift_from=still,
        drift_to=still,
        intercept=0.0,
        shock=None,
        interests=draw_interests(config, month_idx),
    )
    parts = log_odds_parts(model, creatives, image_appeal(creatives, tastes, scale), traffic)
    return scale, solve_intercept(sum(parts.values()), config.target_ctr)


def _some_users(activity_U: np.ndarray, frac: float) -> np.ndarray:
    """Activity of the first users only (their order is random): as many views a user as in a full month, fewer users."""
    kept_U = activity_U.copy()
    kept_U[max(1, round(frac * len(activity_U))) :] = 0.0
    return kept_U


def solve_intercept(log_odds_N: np.ndarray, target: float) -> float:
    """The constant that gives these log-odds the mean probability `target`, by bisection, rounded to 6 decimals."""
    low, high = -40.0, 40.0
    for _ in range(60):
        middle = (low + high) / 2.0
        if to_probability(log_odds_N + middle).mean() < target:
            low = middle
        else:
            high = middle
    return round(low, 6)
