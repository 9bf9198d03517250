"""Months of the simulated exchange in memory, as the journal's Parquet has them, with true probability and click beside."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import polars as pl

from stages.pages.draw import draw_page_views
from stages.simulate.appeal import AppealScale, image_appeal
from stages.simulate.calibration import calibrate
from stages.simulate.clicks import click_probability
from stages.simulate.config import ExchangeConfig
from stages.simulate.creatives import live_creatives
from stages.simulate.months import month_index
from stages.simulate.table import impression_ids, impressions_table
from stages.simulate.tastes import Tastes, draw_tastes
from stages.simulate.traffic import draw_traffic, monthly_activity
from stages.simulate.world import World, draw_world
from stages.simulate.write import month_click_model

NS_OF_MS = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """A world that is drawn once; its months differ by their traffic and by the creatives that come and go."""

    config: ExchangeConfig
    world: World
    tastes: Tastes
    scale: AppealScale
    intercept: float


@lru_cache(maxsize=2)
def _drawn(seed: int, base: tuple) -> Exchange:
    config = ExchangeConfig(**{**dict(base), "seed": seed, "months": list(dict(base)["months"])})
    world, tastes = draw_world(config), draw_tastes(config)
    scale, intercept = calibrate(config, world, tastes)
    return Exchange(config=config, world=world, tastes=tastes, scale=scale, intercept=intercept)


def exchange(base: ExchangeConfig, seed: int, drift_std: float = 0.0) -> Exchange:
    """The world of `seed`, without drift of tastes unless it is asked for."""
    values = {name: getattr(base, name) for name in base.__dataclass_fields__}
    values |= {"months": tuple(base.months), "drift_std": drift_std, "dirty_frac": 0.0, "shock": None}
    return _drawn(seed, tuple(sorted(values.items())))


def page_view_month(world: Exchange, month: str, pages: int, candidates: int) -> pl.DataFrame:
    """The same of page views: a request of as many rows as a page has candidates, which share user, site, device and time."""
    views = draw_page_views(world.config, month, pages, candidates)
    clicked_N = views.luck_N < views.p_true_N
    ids = impression_ids(month_index(month), 0, len(views))
    table = impressions_table(views.world, views.creatives, views.traffic, ids, clicked_N)
    request = pl.Series(views.page_N)
    rows = _as_journalled(table, views.traffic.timestamp_s_N, views.p_true_N, pl.lit("page-") + pl.lit(request).cast(pl.String))
    return rows.with_columns(row=pl.Series(np.tile(np.arange(candidates), pages).astype(np.uint32)))


def simulated_month(world: Exchange, month: str, rows: int, luck: int = 0) -> pl.DataFrame:
    """One month's rows in order of time; other `luck`, other traffic and clicks of the same world and creatives.

    Columns: `prediction_id` (unique text), `row`, `answered_at` and `event_at` (ns, UTC), `release` (1), `probability`
    (float32; the true one), the declaration's features, `impression_id`, `p_true` and `clicked` (0 or 1).
    """
    config, month_idx = world.config, month_index(month)
    creatives = live_creatives(config, world.world, month_idx, since_idx=month_index(config.first_month))
    rng = np.random.default_rng([config.seed, month_idx, luck])
    activity_U = monthly_activity(config, world.world, month_idx)
    traffic = draw_traffic(config, world.world, creatives, month_idx, rows, activity_U, rng)
    model = month_click_model(config, world.world, world.tastes, world.intercept, month)
    p_N = click_probability(model, creatives, image_appeal(creatives, world.tastes, world.scale), traffic)
    clicked_N = rng.random(rows) < p_N
    ids = impression_ids(month_idx, 0, rows)
    table = impressions_table(world.world, creatives, traffic, ids, clicked_N)
    ids_text = pl.lit(f"{luck:04d}-") + pl.col("impression_id").cast(pl.String)
    return _as_journalled(table, traffic.timestamp_s_N, p_N, ids_text)


def _as_journalled(table: pl.DataFrame, timestamp_s_N: np.ndarray, p_N: np.ndarray, prediction_id: pl.Expr) -> pl.DataFrame:
    at = pl.Series(timestamp_s_N * 1000 * NS_OF_MS).cast(pl.Datetime("ns", "UTC"))
    return table.drop("timestamp").with_columns(
        prediction_id=prediction_id,
        row=pl.lit(0, pl.UInt32),
        answered_at=at,
        event_at=at,
        release=pl.lit(1, pl.Int64),
        probability=pl.Series(p_N.astype(np.float32)),
        p_true=pl.Series(p_N),
        clicked=pl.col("clicked").cast(pl.Int8),
    )
