"""Page views of a month: who looks at which site when, the creatives that compete for the page's slot, and what would happen to
each if it was shown.

A page view has one slot; its position belongs to the page, as the device and the price do. The world is that of
`stages/simulate`: users, sites, tastes, creatives and the probability of a click come from its code, with draws of their own.

Shape letters: P page views in time order, K candidates a page view, N = P x K rows (the candidates of a page view side by side).
"""

from dataclasses import dataclass

import numpy as np

from stages.pages.faults import WorldFault, changed_pages, extra_log_odds
from stages.simulate.appeal import image_appeal
from stages.simulate.calibration import calibrate
from stages.simulate.clicks import log_odds_parts, to_probability
from stages.simulate.config import ExchangeConfig
from stages.simulate.creatives import Creatives, live_creatives
from stages.simulate.months import DAY_S, month_index, month_start_s
from stages.simulate.randomness import generator
from stages.simulate.tastes import draw_tastes

# The simulator's own draws, under names that its folder keeps to itself: the code there is what simulated data follows from, so
# that a public name for them would make all of it anew.
from stages.simulate.traffic import (
    _FORMAT_PRICE,
    _MAX_PRICE,
    _MIN_PRICE,
    Traffic,
    _draw_creatives,
    _repeat_previous,
    count_earlier_views,
    draw_traffic,
    monthly_activity,
)
from stages.simulate.world import World, draw_world
from stages.simulate.write import month_click_model

STREAM = 100_000  # added to a month's index: page views of a month have other draws than its impressions
MOST_ROUNDS = 1000
MOST_REPEATED = 0.9


@dataclass(frozen=True, kw_only=True)
class PageViews:
    """A month's candidates, those of a page view side by side."""

    world: World  # with the users and sites that a fault brought
    creatives: Creatives
    traffic: Traffic  # N rows
    page_N: np.ndarray  # int64, from 0
    p_true_N: np.ndarray  # probability of a click if the row is shown
    luck_N: np.ndarray  # uniform: a click happens, if the row is shown, where this is below p_true

    def __len__(self) -> int:
        return len(self.page_N)


def draw_page_views(
    config: ExchangeConfig, month: str, num_pages: int, num_candidates: int, fault: WorldFault | None = None
) -> PageViews:
    """They depend on the arguments only. Raises ValueError if there are too few creatives, or there was no exchange yet."""
    month_idx, opening_idx = month_index(month), month_index(config.first_month)
    if month_idx < opening_idx:
        raise ValueError(f"month {month} lies before the exchange opens; ask for {config.first_month} or later")
    world, tastes = draw_world(config), draw_tastes(config)
    scale, intercept = calibrate(config, world, tastes)
    creatives = live_creatives(config, world, month_idx, since_idx=opening_idx)
    stream = STREAM + month_idx
    rng = generator(config.seed, "traffic", stream)
    activity_U = monthly_activity(config, world, month_idx)
    pages = draw_traffic(config, world, creatives, month_idx, num_pages, activity_U, rng)
    repeat_frac = _repeat_frac(config, activity_U, pages)
    if fault is not None:
        world, pages = changed_pages(world, pages, fault, generator(config.seed, "dirt", stream))
    creative_PK = _candidates(config, world, creatives, pages, month_start_s(month_idx), num_candidates, repeat_frac, rng)
    traffic = _rows(creatives, pages, creative_PK)
    model = month_click_model(config, world, tastes, intercept, month)
    appeal = image_appeal(creatives, tastes, scale)
    log_odds_N = intercept + sum(log_odds_parts(model, creatives, appeal, traffic).values())
    if fault is not None:
        log_odds_N = log_odds_N + extra_log_odds(config, model, creatives, appeal, traffic, fault)
    return PageViews(
        world=world,
        creatives=creatives,
        traffic=traffic,
        page_N=np.repeat(np.arange(num_pages), num_candidates),
        p_true_N=to_probability(log_odds_N),
        luck_N=generator(config.seed, "clicks", stream).random(len(traffic)),
    )


def _repeat_frac(config: ExchangeConfig, activity_U: np.ndarray, pages: Traffic) -> float:
    """Share of candidates, among those that may, that repeat what the user's page view before had, so that as many do of all
    rows as of impressions.

    The first view of a user repeats nothing, and of page views more are a first one. Among `n` draws with weights `w` are
    sum(1 - (1 - w)^n) different users on average.
    """
    weight_U, num_rows = activity_U / activity_U.sum(), config.impressions_per_month
    later = 1.0 - (1.0 - (1.0 - weight_U) ** num_rows).sum() / num_rows
    later_page = 1.0 - len(np.unique(pages.user_N)) / len(pages)
    return min(MOST_REPEATED, config.repeat_frac * later / later_page) if later_page > 0 else config.repeat_frac


def _candidates(
    config: ExchangeConfig,
    world: World,
    creatives: Creatives,
    pages: Traffic,
    start_s: int,
    num_candidates: int,
    repeat_frac: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Creatives [P, K], those of a page view different; some are what the user's page view before had."""
    num_live = int((creatives.live_from_s_C <= pages.timestamp_s_N[0]).sum())
    if num_live < num_candidates:
        raise ValueError(
            f"{num_live} creatives are live when the month begins, fewer than {num_candidates} candidates; "
            "ask for fewer, or raise exchange.creatives_per_month"
        )
    order_P = np.argsort(pages.user_N, kind="stable")
    category_P = world.sites.category_S[pages.site_N]

    def draw() -> np.ndarray:
        return _draw_creatives(config, world, creatives, pages.timestamp_s_N, start_s, category_P, rng)

    slots = [_repeat_previous(pages.user_N, draw(), order_P, rng.random(len(pages)) < repeat_frac) for _ in range(num_candidates)]
    creative_PK = np.stack(slots, axis=1)
    for k in range(1, num_candidates):
        for _ in range(MOST_ROUNDS):
            twice_P = (creative_PK[:, :k] == creative_PK[:, k : k + 1]).any(axis=1)
            if not twice_P.any():
                break
            creative_PK[:, k] = np.where(twice_P, draw(), creative_PK[:, k])
        else:
            raise ValueError(f"{num_candidates} different candidates a page view are not found among {num_live} live creatives")
    return creative_PK


def _rows(creatives: Creatives, pages: Traffic, creative_PK: np.ndarray) -> Traffic:
    """The candidates as rows. `frequency` counts the user's earlier page views of the month with this candidate."""
    num_candidates = creative_PK.shape[1]
    creative_N = creative_PK.ravel()
    page_values = {name: np.repeat(values, num_candidates) for name, values in vars(pages).items()}
    age_s_N = page_values["timestamp_s_N"] - creatives.launch_s_C[creative_N]
    priced_N = page_values["creative_N"]  # the creative by whose format the page's price was drawn
    format_C = creatives.ad_format_C
    dearer_N = np.exp(_FORMAT_PRICE[format_C[creative_N]] - _FORMAT_PRICE[format_C[priced_N]])
    return Traffic(
        **page_values
        | {
            "creative_N": creative_N,
            "frequency_N": count_earlier_views(page_values["user_N"], creative_N, len(creatives)),
            "days_since_launch_N": np.round(age_s_N / DAY_S, 3),
            "floor_price_N": np.round(np.clip(page_values["floor_price_N"] * dearer_N, _MIN_PRICE, _MAX_PRICE), 2),
        }
    )
