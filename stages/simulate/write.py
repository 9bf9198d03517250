"""Writes one month of the exchange: raw/<month>/impressions.csv, raw/<month>/creatives/*.png and truth/<month>.parquet."""

from pathlib import Path

import numpy as np
import polars as pl

from stages.files import atomic_folder
from stages.parquet import write_parquet
from stages.simulate.appeal import AppealScale, image_appeal
from stages.simulate.calibration import calibrate
from stages.simulate.clicks import ClickModel, click_probability
from stages.simulate.config import ExchangeConfig
from stages.simulate.creatives import Creatives, live_creatives
from stages.simulate.dirt import DUPLICATE, Dirt, plan_dirt, soil
from stages.simulate.images import write_images
from stages.simulate.interests import draw_interests, told_interests
from stages.simulate.months import month_index
from stages.simulate.randomness import generator
from stages.simulate.table import csv_lines, impression_ids, impressions_table
from stages.simulate.tastes import Tastes, draw_tastes, drift_at
from stages.simulate.traffic import Traffic, draw_traffic, monthly_activity
from stages.simulate.world import World, draw_world

_CHUNK_ROWS = 100_000  # rows formatted at once; the bytes do not depend on it


def write_month(config: ExchangeConfig, month: str, raw_dir: Path, truth_dir: Path) -> int:
    """Number of CSV rows written, duplicates included. Replaces the month's files; they depend on config and month only.

    The truth file holds each impression once, whatever happened to its row.
    """
    month_idx, opening_idx = month_index(month), month_index(config.first_month)
    if month_idx < opening_idx:
        raise ValueError(
            f"month {month} lies before the exchange opens; ask for {config.first_month} or later, or set exchange.first_month"
        )
    world, tastes = draw_world(config), draw_tastes(config)
    scale, intercept = calibrate(config, world, tastes)
    creatives = live_creatives(config, world, month_idx, since_idx=opening_idx)
    traffic = draw_traffic(
        config,
        world,
        creatives,
        month_idx,
        config.impressions_per_month,
        monthly_activity(config, world, month_idx),
        generator(config.seed, "traffic", month_idx),
    )
    model = month_click_model(config, world, tastes, intercept, month)
    dirt = plan_dirt(config.seed, month_idx, len(traffic), config.dirty_frac)
    with atomic_folder(raw_dir / month) as folder:
        truth = _write_impressions(folder / "impressions.csv", config.seed, month_idx, model, creatives, scale, traffic, dirt)
        (folder / "creatives").mkdir()
        shown_C = np.bincount(traffic.creative_N, minlength=len(creatives)) > 0
        write_images(creatives, shown_C, config.image_size_px, folder / "creatives")
    write_parquet(truth_dir / f"{month}.parquet", truth)
    return len(traffic) + dirt.count(DUPLICATE)


def month_click_model(config: ExchangeConfig, world: World, tastes: Tastes, intercept: float, month: str) -> ClickModel:
    month_idx = month_index(month)
    return ClickModel(
        world=world,
        tastes=tastes,
        drift_from=drift_at(config, month_idx),
        drift_to=drift_at(config, month_idx + 1),
        intercept=intercept,
        shock=config.shock if config.shock is not None and config.shock.month == month else None,
        interests=draw_interests(config, month_idx),
    )


def _write_impressions(
    path: Path,
    seed: int,
    month_idx: int,
    model: ClickModel,
    creatives: Creatives,
    scale: AppealScale,
    traffic: Traffic,
    dirt: Dirt,
) -> pl.DataFrame:
    """The month's true probabilities by impression_id, after the CSV is written in chunks."""
    appeal = image_appeal(creatives, model.tastes, scale)
    luck_N = generator(seed, "clicks", month_idx).random(len(traffic))
    p_true_N = np.empty(len(traffic))
    chunks = [(start, min(start + _CHUNK_ROWS, len(traffic))) for start in range(0, len(traffic), _CHUNK_ROWS)]
    for start, stop in chunks:
        p_true_N[start:stop] = click_probability(model, creatives, appeal, traffic.rows(start, stop))
    clicked_N = luck_N < p_true_N
    told = None if model.interests is None else told_interests(model.interests, traffic, clicked_N, creatives)
    with path.open("wb") as stream:
        for start, stop in chunks:
            rows, more = traffic.rows(start, stop), None if told is None else told[start:stop]
            ids = impression_ids(month_idx, start, stop)
            table = impressions_table(model.world, creatives, rows, ids, clicked_N[start:stop], more)
            if start == 0:
                stream.write(",".join(table.columns).encode() + b"\n")
            stream.write(soil(csv_lines(table), table.columns, start, dirt))
    return pl.DataFrame({"impression_id": impression_ids(month_idx, 0, len(traffic)), "p_true": p_true_N})
