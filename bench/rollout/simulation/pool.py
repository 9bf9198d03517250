"""Two months of page views of the simulated exchange, drawn once: who sees which candidates when, and what they are worth.

Shape letters: P page views in time order, K candidates a page view, D days.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import polars as pl

from stages.pages.draw import draw_page_views
from stages.settings import load_section
from stages.simulate.appeal import image_appeal
from stages.simulate.calibration import calibrate
from stages.simulate.clicks import log_odds_parts
from stages.simulate.config import ExchangeConfig
from stages.simulate.months import DAY_S, month_index, month_start_s
from stages.simulate.names import DEVICES, SITE_CATEGORIES
from stages.simulate.tastes import draw_tastes
from stages.simulate.write import month_click_model

TRAINED_BEFORE, MONTHS = "2026-08", ("2026-08", "2026-09")
SEEN, NEW = "creative seen in training", "creative new"


@dataclass(frozen=True, kw_only=True)
class PagePool:
    """What all rollouts in a world have in common; the models, their users' arms and the clicks are each rollout's own."""

    day_P: np.ndarray  # int64, from 0
    at_s_P: np.ndarray  # int64, since 1970
    user_P: np.ndarray
    creative_PK: np.ndarray
    log_odds_PK: np.ndarray  # float32, of a click if the candidate is shown: the truth
    lag_PK: np.ndarray  # float32, how far tastes have drifted since the models were trained: neither knows of it
    slices: Mapping[str, np.ndarray]  # watched column -> code [P, K]
    values: Mapping[str, tuple[str, ...]]  # of each code
    num_users: int
    num_creatives: int

    def until(self, day: int) -> "PagePool":
        """The page views before that day."""
        stop = int(np.searchsorted(self.day_P, day))
        cut = {name: value[:stop] for name, value in vars(self).items() if name.endswith(("_P", "_PK"))}
        return replace(self, **cut, slices={name: code_PK[:stop] for name, code_PK in self.slices.items()})

    @property
    def num_days(self) -> int:
        return int(self.day_P[-1]) + 1


@lru_cache(maxsize=4)
def page_pool(seed: int, pages: int, candidates: int) -> PagePool:
    """Of the world of that seed; `pages` a month."""
    base = load_section("exchange", ExchangeConfig)
    config = replace(base, seed=seed, dirty_frac=0.0, shock=None)
    months = [_month(config, month, pages, candidates) for month in MONTHS]
    joined = pl.concat(months)
    creative = joined["creative"].rank("dense").to_numpy().astype(np.int64) - 1
    shape = (joined.height // candidates, candidates)
    at_s_P = joined["at_s"].to_numpy().reshape(shape)[:, 0]
    day_P = (at_s_P - month_start_s(month_index(MONTHS[0]))) // DAY_S
    codes = {name: joined[name].to_numpy().reshape(shape) for name in ("device", "site_category", "cold_start", "hour")}
    return PagePool(
        day_P=day_P,
        at_s_P=at_s_P,
        user_P=joined["user"].to_numpy().reshape(shape)[:, 0],
        creative_PK=creative.reshape(shape),
        log_odds_PK=joined["log_odds"].to_numpy().astype(np.float32).reshape(shape),
        lag_PK=joined["lag"].to_numpy().astype(np.float32).reshape(shape),
        slices=codes,
        values={
            "device": DEVICES,
            "site_category": SITE_CATEGORIES,
            "cold_start": (SEEN, NEW),
            "hour": tuple(str(hour) for hour in range(24)),
        },
        num_users=config.num_users,
        num_creatives=int(creative.max()) + 1,
    )


def _month(config: ExchangeConfig, month: str, pages: int, candidates: int) -> pl.DataFrame:
    """A row a candidate."""
    views = draw_page_views(config, month, pages, candidates)
    tastes = draw_tastes(config)
    scale, intercept = calibrate(config, views.world, tastes)
    appeal = image_appeal(views.creatives, tastes, scale)
    then = month_click_model(config, views.world, tastes, intercept, TRAINED_BEFORE)
    known = replace(then, drift_to=then.drift_from)  # tastes as they stood when the models were trained
    now = month_click_model(config, views.world, tastes, intercept, month)
    drift, before = (log_odds_parts(model, views.creatives, appeal, views.traffic)["drift"] for model in (now, known))
    p_N, traffic = views.p_true_N, views.traffic
    is_new_C = views.creatives.live_from_s_C >= month_start_s(month_index(TRAINED_BEFORE))
    return pl.DataFrame(
        {
            "at_s": traffic.timestamp_s_N,
            "user": traffic.user_N,
            "creative": views.creatives.creative_id_C[traffic.creative_N],
            "log_odds": np.log(p_N / (1 - p_N)),
            "lag": drift - before,
            "device": traffic.device_N,
            "site_category": views.world.sites.category_S[traffic.site_N],
            "cold_start": is_new_C[traffic.creative_N].astype(np.int64),
            "hour": traffic.hour_N,
        }
    )
