"""The numbers at the top of the card: each with its interval, which way is better, and what it is held against."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stages.evaluation.shortfall import best_baseline
from stages.evaluation.style import title_of
from stages.reporting import wording
from stages.reporting.headline import excludes

# metric: its name, which way is better, what its scale means
METRICS = {
    "auc": ("AUC", "higher is better", "chance 0.5"),
    "log_loss": ("Log-loss", "lower is better", ""),
    "normalised_entropy": ("Normalised entropy", "lower is better", "the test click rate for all rows: 1"),
    "observed_over_predicted": ("Observed / predicted", "1 is right", "above 1: more clicks than predicted"),
    "learnable_share": ("Learnable share", "higher is better", "training click rate 0, true probabilities 1"),
}


def tiles(evaluation: Mapping[str, Any]) -> list[dict[str, str]]:
    """One tile a metric: name, value, note (its interval), direction, reference, and state: good, bad or open."""
    rival = best_baseline(dict(evaluation))[0]
    shown = [metric for metric in METRICS if metric != "learnable_share" or evaluation["truth"]["known"]]
    return [_tile(metric, evaluation, rival) for metric in shown]


def _tile(metric: str, evaluation: Mapping[str, Any], rival: str | None) -> dict[str, str]:
    name, direction, scale = METRICS[metric]
    one, digits = evaluation["models"]["model"][metric], min(wording.DIGITS[metric], 4)
    value = "–" if one["value"] is None else f"{one['value']:.{digits}f}"
    note = one.get("reason", "") if one["low"] is None else f"{one['low']:.{digits}f} to {one['high']:.{digits}f}"
    references = [scale] if scale else []
    other = None if rival is None else evaluation["models"][rival].get(metric)
    if metric != "observed_over_predicted" and other is not None and other["value"] is not None:
        references.insert(0, f"{title_of(rival)} {other['value']:.{digits}f}")
    return {
        "name": name,
        "value": value,
        "note": note,
        "direction": direction,
        "reference": "; ".join(references),
        "state": _state(metric, one, evaluation, rival),
    }


def _state(metric: str, one: Mapping[str, Any], evaluation: Mapping[str, Any], rival: str | None) -> str:
    """`good` or `bad` where the interval says so (of the ratio, or of the difference to the best baseline), else `open`."""
    if metric == "observed_over_predicted":
        return "open" if one["low"] is None else "bad" if excludes(one, 1.0) else "good"
    judged = "log_loss" if metric == "learnable_share" else metric  # the share is a function of the log-loss
    gap = None if rival is None else evaluation["differences"][rival].get(judged)
    if gap is None or not excludes(gap, 0.0):
        return "open"
    return "good" if (gap["low"] > 0) == (judged == "auc") else "bad"
