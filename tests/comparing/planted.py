"""Ten faults of machine learning, each planted into the training rows of a candidate: what it does, and what has to be found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from tests.comparing.compared_world import COLUMNS, NEW_COLUMN, World, world


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A fault, and the finding that has to name it."""

    plant: Callable[[World], World]
    kind: str  # of the finding
    cause: str  # what it names
    words: str  # part of its sentence


def last_years_months(made: World) -> World:
    old = world(year=2025, taste=1)
    return replace(made, splits={**old.splits, "test": made.splits["test"]})


def dropped_feature(made: World) -> World:
    return replace(made, dropped=("region",))


def swapped_columns(made: World) -> World:
    return made.with_training(lambda rows: rows.with_columns(site=rows["region"], region=rows["site"]))


def shuffled_ids(made: World) -> World:
    return made.with_training(lambda rows: rows.with_columns(rows["site"].shuffle(seed=5)))


def labels_a_day_late(made: World) -> World:
    """Every row has the label of the row that came a day, and some rows, before it."""

    def shift(rows: pl.DataFrame) -> pl.DataFrame:
        day_before = rows["t"].search_sorted(rows["t"].dt.offset_by("-1d"))
        return rows.with_columns(rows["y"][np.clip(day_before.to_numpy(), 0, len(rows) - 1)])

    return made.with_training(shift)


def one_sites_rows_wrong(made: World) -> World:
    wrong = pl.when(pl.col("site") == "site03").then(1 - pl.col("y")).otherwise(pl.col("y")).alias("y")
    return made.with_training(lambda rows: rows.with_columns(wrong))


def images_of_others(made: World) -> World:
    names = sorted(made.images)
    mixed = np.random.default_rng(2).permutation(len(names))
    return replace(made, images={name: made.images[names[other]] for name, other in zip(names, mixed, strict=True)})


def leak(made: World) -> World:
    """A column that was written after the click: most of those who clicked stayed long."""

    def add(rows: pl.DataFrame) -> pl.DataFrame:
        rng = np.random.default_rng(len(rows))
        seconds = np.where(rng.random(len(rows)) < 0.8, 20.0 * rows["y"].to_numpy(), 10.0) + rng.exponential(4, len(rows))
        return rows.with_columns(seconds=pl.Series(seconds))

    columns = [*COLUMNS[:-1], NEW_COLUMN, COLUMNS[-1]]
    return replace(made, splits={name: add(rows) for name, rows in made.splits.items()}, columns=columns)


def other_units(made: World) -> World:
    return made.with_training(lambda rows: rows.with_columns(pl.col("price") * 100))


def half_unseen(made: World) -> World:
    return made.with_training(lambda rows: rows.head(len(rows) // 2))


FAULTS = {
    "last_years_months": Fault(plant=last_years_months, kind="months", cause="time", words="end on 2025-02-28"),
    "dropped_feature": Fault(plant=dropped_feature, kind="column", cause="region", words="does not read it: it was dropped"),
    "swapped_columns": Fault(plant=swapped_columns, kind="swapped", cause="region, site", words="swapped?"),
    "shuffled_ids": Fault(plant=shuffled_ids, kind="column", cause="site", words="column 'site' is worth less"),
    "labels_a_day_late": Fault(plant=labels_a_day_late, kind="labels", cause="y", words="belonged to other rows"),
    "one_sites_rows_wrong": Fault(plant=one_sites_rows_wrong, kind="value", cause="site = site03", words="were its rows wrong"),
    "images_of_others": Fault(plant=images_of_others, kind="images", cause="(image)", words="do its images belong"),
    "leak": Fault(plant=leak, kind="leak", cause="seconds", words="does it tell the label?"),
    "other_units": Fault(plant=other_units, kind="unit", cause="price", words="100 times as large"),
    "half_unseen": Fault(plant=half_unseen, kind="rows", cause="train", words="50% of the champion's 12,000"),
}
