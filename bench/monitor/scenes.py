"""A release's reference and a month that it serves, as the monitor gets them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from bench.monitor.looks import looks_of, with_looks
from bench.monitor.months import Exchange, exchange, page_view_month, simulated_month
from bench.monitor.reference import profile_of, vocabulary_of, with_ids
from contracts.dataset.declaration import Declaration
from contracts.lifecycle.monitor import InputsConfig, MonitorConfig
from contracts.params import read_section
from lifecycle.monitor.counts.counting import count_rows
from lifecycle.monitor.counts.panel import Panel, panel_of
from lifecycle.monitor.counts.plan import plan_of
from lifecycle.monitor.inputs.kinds import named
from lifecycle.monitor.inputs.verdicts import hits_at
from stages.settings import load_section
from stages.simulate.config import ExchangeConfig

TRAINED, SERVED = ("2026-05", "2026-06", "2026-07"), "2026-08"
WITH_IDS = ("site_id", "advertiser_id", "user_id", "creative_id")
TRAINING_LUCK = 10**6  # so that no served month is drawn as one of training


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A world, the profile of a release trained on three months of it, and what its vocabulary knows."""

    world: Exchange
    declaration: Declaration
    config: InputsConfig
    profile: dict[str, Any]
    vocabularies: dict[str, list[str]]
    known: pl.Series  # creatives of training
    looks: pl.DataFrame  # of all creatives that are live in the served month
    month_rows: int

    def month(self, luck: int) -> pl.DataFrame:
        """The rows of the served month, in order of time; `with_ids` is still to be called."""
        rows = simulated_month(self.world, SERVED, self.month_rows, luck)
        return with_looks(rows, self.looks, self.known)

    def page_views(self, pages: int, candidates: int) -> pl.DataFrame:
        """The same month of requests with several candidates."""
        return with_looks(page_view_month(self.world, SERVED, pages, candidates), self.looks, self.known)

    def counted(self, rows: pl.DataFrame) -> Panel:
        """What the monitor makes of rows."""
        served = with_ids(rows, self.vocabularies)
        plan = plan_of(self.declaration, self.profile, served.columns)
        return panel_of(count_rows(served, plan, self.config.block_rows), plan)


def scene(seed: int, month_rows: int) -> Scene:
    world, declaration = exchange(load_section("exchange", ExchangeConfig), seed), load_section("data", Declaration)
    looks = looks_of(world, SERVED)
    months = [simulated_month(world, month, month_rows, TRAINING_LUCK) for month in TRAINED]
    training = pl.concat([with_looks(month, looks) for month in months])
    return Scene(
        world=world,
        declaration=declaration,
        config=read_section("monitor", MonitorConfig).inputs,
        profile=profile_of(training, declaration),
        vocabularies={name: vocabulary_of(training[name]) for name in WITH_IDS},
        known=training["creative_id"].unique(),
        looks=looks,
        month_rows=month_rows,
    )


def named_columns(reference: pl.DataFrame, rows: pl.DataFrame) -> list[str]:
    """Column and kind of each warning, as "user_age missing"; both as `simulated_month` gives them, in order of time."""
    declaration, config = load_section("data", Declaration), read_section("monitor", MonitorConfig).inputs
    served = with_ids(rows, {name: vocabulary_of(reference[name]) for name in WITH_IDS})
    plan = plan_of(declaration, profile_of(reference, declaration), served.columns)
    panel = panel_of(count_rows(served, plan, config.block_rows), plan)
    hits = hits_at(panel, np.array([len(panel.hour_U)]), config)
    return [f"{one.hit.column} {one.kind}" for one in named(hits, panel) if one.hit.verdict != "watch"]
