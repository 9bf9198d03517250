"""Log-losses of models on the same test rows, and how sure their differences are."""

import numpy as np
import polars as pl

from bench.figures import Figure
from stages.evaluation.bootstrap import Resampler

RESAMPLES, CONFIDENCE = 500, 0.95


def loss_figures(what: str, losses: dict[str, np.ndarray], users: pl.Series, better: str | None = None) -> list[Figure]:
    """Mean losses [N] by name, and differences from the first with intervals of a bootstrap of whole users.

    The name `better` has a bar: below the first, outside the interval.
    """
    code_N = users.cast(pl.String).rank("dense").to_numpy().astype(np.int64) - 1
    drawn = Resampler(
        num_rows=len(code_N), num_resamples=RESAMPLES, seed=1, num_threads=1, unit=code_N, num_units=int(code_N.max()) + 1
    )
    base, found = next(iter(losses)), []
    for name, loss_N in losses.items():
        text = f"log-loss {loss_N.mean():.5f}"
        if name == base:
            found.append(Figure(what=f"{what}, {name}", figure=text))
            continue
        apart_N = loss_N - losses[base]
        weights = (drawn.weight(replicate) for replicate in range(RESAMPLES))
        means = [float((weight_N * apart_N).sum() / weight_N.sum()) for weight_N in weights]
        low, high = np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
        text = f"{text}, {apart_N.mean():+.5f} [{low:+.5f}, {high:+.5f}]"
        barred = name == better
        bar, met = ("below 0 outside its interval", bool(high < 0)) if barred else ("", None)
        found.append(Figure(what=f"{what}, {name}", figure=text, bar=bar, met=met))
    return found
