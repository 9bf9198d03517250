"""Tables that are made up to be hard in one way each: few clicks, numbers with thresholds, few rows. All from a seed.

Each is a Polars frame and the declaration of its columns, as conf/data/ would have it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

Columns = dict[str, np.ndarray]
LABEL = {"name": "click", "role": "label", "dtype": "int"}


@dataclass(frozen=True, kw_only=True)
class MadeUp:
    """A table: how its columns and its log-odds are drawn."""

    num_rows: int
    draw: Callable[[np.random.Generator, int], tuple[Columns, np.ndarray]]  # columns, and log-odds float64 [N] of a click
    categorical: tuple[str, ...] = ()
    logged: tuple[str, ...] = ()  # numeric columns declared with log: true

    def frame(self, seed: int) -> pl.DataFrame:
        """The rows, with a label drawn from the log-odds."""
        rng = np.random.default_rng(seed)
        columns, log_odds_N = self.draw(rng, self.num_rows)
        click_N = rng.random(self.num_rows) < 1 / (1 + np.exp(-log_odds_N))
        return pl.DataFrame({**columns, "click": click_N.astype(np.int64)})

    def declaration(self, name: str, path: str, frame: pl.DataFrame) -> dict[str, Any]:
        """What conf/data/<name>.yaml would say: CSV files in `path`, split by row."""
        columns = [self._column(column, frame[column].dtype.is_float()) for column in frame.columns if column != "click"]
        return {
            "name": name,
            "source": {"kind": "files", "path": path, "files": ["*.csv"]},
            "split": {"by": "row", "val_frac": 0.15, "test_frac": 0.25},
            "slices": [],
            "columns": [*columns, LABEL],
        }

    def _column(self, name: str, is_float: bool) -> dict[str, Any]:
        dtype = "float" if is_float else "int"
        if name in self.categorical:
            return {"name": name, "role": "categorical", "dtype": "int"}
        return {"name": name, "role": "numeric", "dtype": dtype, "log": name in self.logged}


def draw_rare_clicks(rng: np.random.Generator, n: int) -> tuple[Columns, np.ndarray]:
    """Nearly all clicks come from one app that half a percent of the rows have."""
    app = np.where(rng.random(n) < 0.005, 0, rng.integers(1, 21, n))
    p_click = np.where(app == 0, 0.2, 0.0007)
    return {"app": app, "os": rng.integers(0, 6, n)}, np.log(p_click / (1 - p_click))


def draw_rare_wide(rng: np.random.Generator, n: int) -> tuple[Columns, np.ndarray]:
    """Two clicks in a thousand rows; ten columns of ids by a power law, some of which say nothing, and three numbers."""
    columns: Columns = {}
    log_odds = np.full(n, -6.9)
    for i, (num_ids, spread) in enumerate(
        [(4, 0.5), (7, 0.3), (20, 0.6), (24, 0.2), (60, 0.8), (200, 0.7), (2000, 0.6), (9, 0.0), (300, 0.0), (30000, 0.5)]
    ):
        ids = (num_ids * rng.random(n) ** 3).astype(np.int64)
        columns[f"c{i}"] = ids
        log_odds += rng.normal(0, spread, num_ids)[ids]
    for i, weight in enumerate((0.6, -0.5, 0.0)):
        x = rng.lognormal(0, 1, n)
        columns[f"n{i}"] = x.round(4)
        log_odds += weight * (np.log(x) + (x > 3))
    return columns, log_odds


def draw_thresholds(rng: np.random.Generator, n: int) -> tuple[Columns, np.ndarray]:
    """Steps of single numbers and of pairs: what trees are made for."""
    x = np.column_stack(
        [
            rng.normal(size=n),
            rng.exponential(size=n),
            rng.uniform(-1, 1, n),
            rng.normal(size=n),
            rng.uniform(size=n),
            rng.lognormal(0, 1, n),
            rng.uniform(0, 100, n),
            rng.normal(size=n),
        ]
    )
    log_odds = -2.0 + 0.9 * (x[:, 0] > 0.6) - 0.7 * (x[:, 1] > 1.5) + 0.8 * ((x[:, 2] > 0.2) & (x[:, 2] < 0.5))
    log_odds += (
        1.2 * ((x[:, 3] > 0) ^ (x[:, 4] > 0.5))
        + 0.8 * ((x[:, 5] > 1.7) & (x[:, 0] < -0.3))
        - 0.9 * ((x[:, 6] > 80) & (x[:, 3] > 0.5))
    )
    return {f"x{i}": x[:, i].round(5) for i in range(8)}, log_odds


def draw_curves(rng: np.random.Generator, n: int) -> tuple[Columns, np.ndarray]:
    """Waves, squares and products: smooth, and not a bit linear."""
    x = rng.normal(size=(n, 10))
    x[:, 5] = 0.7 * x[:, 0] + 0.7 * x[:, 5]  # correlated
    log_odds = (
        -1.6 + 0.9 * np.sin(2.5 * x[:, 0]) + 0.5 * (x[:, 1] ** 2 - 1) + 0.8 * x[:, 2] * x[:, 3] + 0.5 * np.tanh(3 * x[:, 4])
    )
    log_odds += 0.4 * np.abs(x[:, 5]) - 0.3 * x[:, 6] * (x[:, 7] > 0)
    return {f"x{i}": x[:, i].round(5) for i in range(10)}, log_odds


def draw_census(rng: np.random.Generator, n: int) -> tuple[Columns, np.ndarray]:
    """Whole numbers with few values, amounts that are mostly zero with a long tail, and columns of few values.

    What a column says depends on others, since a sum of columns is what the regression, which sees buckets, finds by itself.
    """
    age, hours = rng.integers(17, 90, n), np.clip(rng.normal(40, 12, n).round(), 1, 99).astype(np.int64)
    schooling = rng.binomial(16, 0.6, n)
    gain = np.where(rng.random(n) < 0.08, rng.lognormal(8.2, 1.2, n).round(), 0).astype(np.int64)
    loss = np.where(rng.random(n) < 0.05, rng.normal(1900, 350, n).clip(100).round(), 0).astype(np.int64)
    weight = rng.lognormal(12, 0.5, n).round().astype(np.int64)
    married, work, region = (
        (rng.random(n) < 0.25 + 0.4 * (age > 30)).astype(np.int64),
        rng.integers(0, 8, n),
        rng.integers(0, 5, n),
    )
    log_odds = -3.4 - ((age - 48) / 16.0) ** 2 + 1.9 * married + 0.5 * married * (schooling > 11)
    log_odds += 0.32 * (schooling - 9) * np.where(age > 35, 1.4, 0.2)
    log_odds += (0.9 * (hours > 44) - 0.9 * (hours < 30)) * np.where(married == 1, 1.8, -0.6)
    log_odds += 2.8 * (gain > 5000) - 0.8 * ((gain > 0) & (gain < 3000)) + rng.normal(0, 0.6, (8, 5))[work, region]
    log_odds += 1.6 * ((loss > 1800) & (loss < 2000)) - 1.2 * ((loss > 0) & (loss <= 1700))
    columns = {"age": age, "hours": hours, "schooling": schooling, "gain": gain, "loss": loss, "weight": weight}
    return {**columns, "married": married, "work": work, "region": region}, log_odds


def draw_few_rows(rng: np.random.Generator, n: int) -> tuple[Columns, np.ndarray]:
    """Two numbers and two columns of few values, and hardly any rows."""
    age, price, kind, site = (
        rng.normal(40, 12, n).round(1),
        rng.lognormal(1, 0.8, n).round(2),
        rng.integers(0, 4, n),
        rng.integers(0, 9, n),
    )
    log_odds = (
        -1.2 + 0.05 * (age - 40) - 0.5 * np.log(price) + np.array([0.0, 0.8, -0.6, 0.3])[kind] + rng.normal(0, 0.4, 9)[site]
    )
    return {"age": age, "price": price, "kind": kind, "site": site}, log_odds


TABLES = {
    "rare_clicks": MadeUp(num_rows=40_000, draw=draw_rare_clicks, categorical=("app", "os")),
    "rare_wide": MadeUp(num_rows=150_000, draw=draw_rare_wide, categorical=tuple(f"c{i}" for i in range(10)), logged=("n0",)),
    "thresholds": MadeUp(num_rows=210_000, draw=draw_thresholds, logged=("x5",)),
    "curves": MadeUp(num_rows=210_000, draw=draw_curves),
    "census": MadeUp(num_rows=210_000, draw=draw_census, categorical=("work", "region"), logged=("gain", "loss")),
    "few_rows": MadeUp(num_rows=500, draw=draw_few_rows, categorical=("kind", "site")),
}
