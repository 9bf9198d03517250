"""What is done to a month's labels or predictions: more clicks, or noise on the predictions."""

from collections.abc import Callable

import numpy as np
import polars as pl
from scipy import optimize

Change = Callable[[pl.DataFrame, np.random.Generator], pl.DataFrame]


def more_clicks(times: float, since: int = 0) -> Change:
    """Labels with so many times as many clicks, as probability allows, from row `since` on."""

    def changed(rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
        p = rows["p_true"].to_numpy() * np.where(np.arange(len(rows)) >= since, times, 1.0)
        return rows.with_columns(clicked=pl.Series((rng.random(len(rows)) < p).astype(np.int8)))

    return changed


def noisy(growth: float, since: int = 0) -> Change:
    """Predictions with noise on their log-odds, as large as makes the expected log-loss grow so; their mean stays."""

    def changed(rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
        p, truth, noise = rows["p"].to_numpy(), rows["p_true"].to_numpy(), rng.standard_normal(len(rows))
        logit = np.log(p / (1 - p))

        def shaken(size: float) -> np.ndarray:
            there = np.where(np.arange(len(rows)) >= since, 1.0, 0.0)
            draw = logit + size * noise * there
            for _ in range(20):  # back to the mean that it had
                mean = 1 / (1 + np.exp(-draw))
                draw = draw + there * np.log(p.mean() / mean.mean())
            return 1 / (1 + np.exp(-draw))

        def grown(size: float) -> float:
            q = shaken(size)[since:]
            cost = -(truth[since:] * np.log(q) + (1 - truth[since:]) * np.log1p(-q)).mean()
            base = -(truth[since:] * np.log(p[since:]) + (1 - truth[since:]) * np.log1p(-p[since:])).mean()
            return float(cost / base - 1 - growth)

        size = optimize.brentq(grown, 0.05, 4.0, xtol=1e-3)
        return rows.with_columns(p=pl.Series(shaken(size)))

    return changed


def wrong_creatives(rows: pl.DataFrame, size: float, seed: int) -> pl.DataFrame:
    """Predictions off by a factor of the odds that each creative keeps, log-normal with this standard deviation."""
    creatives = rows["creative"].unique().sort()
    off = np.random.default_rng(seed).standard_normal(len(creatives)) * size
    by = {creative: error for creative, error in zip(creatives.to_list(), off.tolist(), strict=True)}
    odds = pl.col("p") / (1 - pl.col("p")) * pl.col("creative").replace_strict(by, return_dtype=pl.Float64).exp()
    return rows.with_columns(p=odds / (1 + odds))
