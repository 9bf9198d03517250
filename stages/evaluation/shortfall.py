"""Says loudly when the model is worse than a baseline, and what to try. From reports/evaluation.json and plain values."""

from __future__ import annotations

from typing import Any

BASELINES = {
    "lightgbm": "LightGBM",
    "logistic": "logistic regression",
    "creative_rate": "smoothed rates alone",
    "constant": "the click rate of the training rows",
}
TO_TRY = {  # what helped where the baseline was the better one
    "lightgbm": "finer buckets of numbers (features.num_buckets=96), train.lr=0.003",
    "logistic": "train.unknown_prior_clicks=0, model=logistic, more months of data",
    "creative_rate": "train.lr=0.002, train.unknown_prior_clicks=0",
    "constant": "more months of data, other columns, train.lr=0.001",
}


def best_baseline(evaluation: dict[str, Any]) -> tuple[str | None, str]:
    """Key and title of the baseline with the smallest log-loss on the test rows; None and "" if there is none."""
    losses = {name: evaluation["models"][name]["log_loss"]["value"] for name in BASELINES if name in evaluation["differences"]}
    name = min(losses, key=losses.__getitem__, default=None)
    return name, BASELINES.get(name, "")


def shortfall(evaluation: dict[str, Any]) -> str | None:
    """One sentence if the model's log-loss is above that of the best baseline outside the interval of their difference, which is
    paired (the same rows, drawn together); None if it is not. `evaluation` is what `summarise` returns.
    """
    best, title = best_baseline(evaluation)
    if best is None:
        return None
    loss, least = (evaluation["models"][name]["log_loss"]["value"] for name in ("model", best))
    gap = evaluation["differences"][best]["log_loss"]
    if gap["low"] is None or gap["low"] <= 0:
        return None
    interval = f"{gap['value']:+.5f} [{gap['low']:+.5f}, {gap['high']:+.5f}]"
    return (
        f"THE MODEL IS WORSE THAN {title.upper()}: log-loss {loss:.5f} against {least:.5f} on the same "
        f"{evaluation['rows']:,} test rows ({interval}); do not serve it; try {TO_TRY[best]} (`dvc exp run -S KEY=VALUE`)"
    )
