"""A release's reference and a month that it serves, as the monitor gets them."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from bench.monitor.looks import looks_of, with_looks
from bench.monitor.months import Exchange, exchange, page_view_month, simulated_month
from bench.monitor.reference import profile_of, vocabulary_of, with_ids
from contracts.dataset.columns import Column
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
    looks: pl.DataFrame | None  # of all creatives that are live in the served month
    month_rows: int
    columns: tuple[str, ...]  # that are watched, beside creatives, users and predictions; none: all there are

    def month(self, luck: int) -> pl.DataFrame:
        """The rows of the served month, in order of time; `with_ids` is still to be called."""
        return self._as_served(simulated_month(self.world, SERVED, self.month_rows, luck))

    def page_views(self, pages: int, candidates: int) -> pl.DataFrame:
        """The same month of requests with several candidates."""
        return self._as_served(page_view_month(self.world, SERVED, pages, candidates))

    def _as_served(self, rows: pl.DataFrame) -> pl.DataFrame:
        rows = only_columns(rows, self.columns, self.declaration)
        return rows if self.looks is None else with_looks(rows, self.looks, self.known)

    def counted(self, rows: pl.DataFrame) -> Panel:
        """What the monitor makes of rows."""
        served = with_ids(rows, self.vocabularies)
        plan = plan_of(self.declaration, self.profile, served.columns)
        return panel_of(count_rows(served, plan, self.config.block_rows), plan)


def scene(seed: int, month_rows: int, columns: tuple[str, ...] = ()) -> Scene:
    """With all columns and looks; or with a few columns, which get their share of the error of all."""
    world, declaration = exchange(load_section("exchange", ExchangeConfig), seed), load_section("data", Declaration)
    looks = None if columns else looks_of(world, SERVED)
    months = [only_columns(simulated_month(world, month, month_rows, TRAINING_LUCK), columns, declaration) for month in TRAINED]
    training = pl.concat(months if looks is None else [with_looks(month, looks) for month in months])
    config, share = read_section("monitor", MonitorConfig).inputs, len(columns) / len(_watched(declaration)) if columns else 1.0
    return Scene(
        world=world,
        declaration=declaration,
        config=replace(config, warning_error=config.warning_error * share, page_error=config.page_error * share),
        profile=profile_of(training, declaration),
        vocabularies={name: vocabulary_of(training[name]) for name in WITH_IDS if name in training.columns},
        known=training["creative_id"].unique(),
        looks=looks,
        month_rows=month_rows,
        columns=columns,
    )


def _watched(declaration: Declaration) -> list[Column]:
    return [column for column in declaration.columns if column.role in ("categorical", "numeric", "creative", "entity")]


def only_columns(rows: pl.DataFrame, columns: tuple[str, ...], declaration: Declaration) -> pl.DataFrame:
    """The rows without the other columns, if any are named; creatives and users stay."""
    other = [c.name for c in _watched(declaration) if c.name not in columns and c.role not in ("creative", "entity")]
    return rows.drop(other, strict=False) if columns else rows


def named_columns(reference: pl.DataFrame, rows: pl.DataFrame) -> list[str]:
    """Column and kind of each warning, as "user_age missing"; both as `simulated_month` gives them, in order of time."""
    declaration, config = load_section("data", Declaration), read_section("monitor", MonitorConfig).inputs
    served = with_ids(rows, {name: vocabulary_of(reference[name]) for name in WITH_IDS})
    plan = plan_of(declaration, profile_of(reference, declaration), served.columns)
    panel = panel_of(count_rows(served, plan, config.block_rows), plan)
    hits = hits_at(panel, np.array([len(panel.hour_U)]), config)
    return [f"{one.hit.column} {one.kind}" for one in named(hits, panel) if one.hit.verdict != "watch"]
