"""Figures of labelled rows with their influences: clicks by predictions, log-loss, what the predictions themselves expect of it,
normalised entropy, AUC.

Shape letters: N rows. Labels are 0 and 1, predictions probabilities; an influence is what a row adds to the figure's error.
"""

import math
from dataclasses import dataclass

import numpy as np

P_MIN = 1e-12  # predictions are kept this far from 0 and 1, as in the evaluation
MAX_LOG = 10.0  # of a growth that is told: beyond 22,026 times as many it only says that nothing is known


@dataclass(frozen=True, kw_only=True)
class QualityFigure:
    """A figure, and the influence of each row on it."""

    value: float
    influence_N: np.ndarray


def growth(log_ratio: float) -> float:
    """A ratio less 1, of its logarithm, within MAX_LOG: what a few units say may be wide beyond all numbers."""
    return math.expm1(min(max(log_ratio, -MAX_LOG), MAX_LOG))


def row_loss(label_N: np.ndarray, p_N: np.ndarray) -> np.ndarray:
    """Log-loss of each row in nats."""
    p = np.clip(p_N, P_MIN, 1 - P_MIN)
    return -np.where(label_N > 0, np.log(p), np.log1p(-p))


def entropy(p: np.ndarray) -> np.ndarray:
    """The log-loss that a prediction expects of itself, in nats: that of a coin that shows heads so often."""
    inner = np.clip(p, P_MIN, 1 - P_MIN)
    return -(inner * np.log(inner) + (1 - inner) * np.log1p(-inner))


def ratio(above_N: np.ndarray, below_N: np.ndarray) -> QualityFigure:
    """Sum by sum; influences of a ratio of sums, linearised (Binder 1983)."""
    below = float(below_N.sum())
    value = float(above_N.sum()) / below
    return QualityFigure(value=value, influence_N=(above_N - value * below_N) / below)


def log_loss(label_N: np.ndarray, p_N: np.ndarray) -> QualityFigure:
    return ratio(row_loss(label_N, p_N), np.ones(len(label_N)))


def normalised_entropy(label_N: np.ndarray, p_N: np.ndarray) -> QualityFigure | None:
    """Log-loss over the entropy of the click rate of the same rows (He et al. 2014); None where all labels are equal."""
    loss, rate = log_loss(label_N, p_N), float(label_N.mean())
    if not 0 < rate < 1:
        return None
    bits = float(entropy(np.array(rate)))
    slope = np.log((1 - rate) / rate)  # of the entropy
    value = loss.value / bits
    influence = loss.influence_N / bits - value / bits * slope * (label_N - rate) / len(label_N)
    return QualityFigure(value=value, influence_N=influence)


def auc(label_N: np.ndarray, p_N: np.ndarray) -> QualityFigure | None:
    """Chance that a click has the higher prediction; influences by placements, which add up over clusters (Obuchowski 1997,
    "Nonparametric Analysis of Clustered ROC Curve Data"). None where all labels are equal.
    """
    clicked = label_N > 0
    clicks, quiet = int(clicked.sum()), int((~clicked).sum())
    if not clicks or not quiet:
        return None
    of_clicks, of_quiet = np.sort(p_N[clicked]), np.sort(p_N[~clicked])
    placement = np.empty(len(p_N))
    placement[clicked] = _below(of_quiet, p_N[clicked])
    placement[~clicked] = 1 - _below(of_clicks, p_N[~clicked])
    value = float(placement[clicked].mean())
    return QualityFigure(value=value, influence_N=(placement - value) / np.where(clicked, clicks, quiet))


def _below(others: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Share of the sorted others below each value; equal ones count half."""
    return (np.searchsorted(others, values, "left") + np.searchsorted(others, values, "right")) / (2 * len(others))


def integrated_calibration(label_N: np.ndarray, p_N: np.ndarray, bandwidth: float = 0.1) -> float:
    """Mean distance of prediction and smoothed click rate (the ICI of Austin and Steyerberg 2019, smoothed over the ranks of the
    predictions by a window of `bandwidth` of the rows in place of loess). Chance alone gives more than 0.
    """
    order = np.argsort(p_N, kind="stable")
    half = max(1, int(len(p_N) * bandwidth / 2))
    sums = np.concatenate([[0.0], np.cumsum(label_N[order] - p_N[order])])
    place = np.arange(len(p_N))
    start, end = np.maximum(place - half, 0), np.minimum(place + half + 1, len(p_N))
    return float(np.abs((sums[end] - sums[start]) / (end - start)).mean())
