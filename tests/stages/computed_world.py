"""The small data set with columns that are computed: a ratio, a difference, crosses, and what is counted so far."""

from typing import Any

import numpy as np
import polars as pl

from tests.stages.pipeline_world import COLUMNS, declaration, rows_of

PRICE = {"name": "price", "role": "numeric", "dtype": "float", "nullable": True}
MADE = [
    {"name": "age_by_price", "role": "numeric", "dtype": "float", "ratio": ["age", "price"], "log": True, "keep": True},
    {"name": "gap", "role": "numeric", "dtype": "float", "difference": ["price", "age"], "keep": True},
    {"name": "site_view", "role": "categorical", "dtype": "string", "cross": ["site", "view"], "keep": True},
    {"name": "ad_site_view", "role": "categorical", "dtype": "string", "cross": ["ad", "site", "view"], "keep": True},
]
CLICKS_BEFORE = {"count": "clicks", "per": "user", "delay": "1 days"}
RATE_BEFORE = {"rate": "clicks", "per": ["ad", "view"], "smoothing": 20, "prior": 0.4}
COUNTED = [
    {"name": "user_clicks", "role": "numeric", "dtype": "int", "so_far": CLICKS_BEFORE, "log": True, "keep": True},
    {"name": "ad_rate", "role": "numeric", "dtype": "float", "so_far": RATE_BEFORE, "keep": True},
]
COMPUTED: dict[str, Any] = declaration(
    columns=[MADE[2], *COLUMNS[:-1], COUNTED[0], PRICE, *MADE[:2], MADE[3], COLUMNS[-1], COUNTED[1]]
)


def is_written(column: dict[str, Any]) -> bool:
    """Do files hold the column."""
    return not {"ratio", "difference", "cross", "so_far"} & {*column}


def computed_rows(month: int, num_rows: int, seed: int = 11) -> pl.DataFrame:
    """`rows_of` a month with prices, some of them 0 and some missing; clicks follow site and view together, and age by price."""
    rng = np.random.default_rng([seed, month])
    rows = rows_of(month, num_rows)
    price = np.round(rng.uniform(1, 60, num_rows), 2)
    price[rng.random(num_rows) < 0.05] = 0
    site = rows["site"].str.slice(-1).cast(pl.Int64).to_numpy()
    odds = np.where((site + rows["view"].to_numpy()) % 2 == 0, 1.5, -2.5) + 0.3 * np.log1p(50 / (1 + price))
    return rows.with_columns(
        pl.Series("price", price).scatter(np.flatnonzero(rng.random(num_rows) < 0.05), None),
        pl.Series("y", (rng.random(num_rows) < 1 / (1 + np.exp(-odds))).astype(int)),
    )
