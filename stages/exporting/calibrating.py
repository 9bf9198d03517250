"""Fits the step from logit to probability on the validation rows: `export.calibrate`.

Shape letters: N rows, G groups of rows whose logits are next to each other, K knots.
"""

import numpy as np
from scipy import special
from scipy.optimize import minimize_scalar
from sklearn.isotonic import IsotonicRegression
from torch import nn

from stages.config import Calibrate
from stages.models.calibration import Monotone, Temperature
from stages.models.val_metrics import log_loss

RATES = (0.05, 20.0)  # of a temperature, between which the best is looked for
GROUP_CLICKS, MOST_GROUPS = 50, 100  # clicks of a group: its rate is known to some 14 %
FEWEST_KNOTS = 2


def calibration_of(
    kind: Calibrate, logit_N: np.ndarray, label_N: np.ndarray, weight_N: np.ndarray | None = None
) -> nn.Module | None:
    """The fitted step, None for "none"; `weight_N` is what each row counts, 1 if left out. Raises ValueError if there are too few
    clicks, or other rows, to fit it.
    """
    if kind == "none":
        return None
    weight_N = np.ones(len(label_N)) if weight_N is None else np.asarray(weight_N)
    clicks, others = (float(weight_N[label_N == label].sum()) for label in (1, 0))
    needed = FEWEST_KNOTS * GROUP_CLICKS if kind == "isotonic" else 1
    if min(clicks, others) < needed:
        raise ValueError(
            f"export.calibrate: {kind} needs {needed} clicked and {needed} other rows in the validation split, which has "
            f"{clicks:g} and {others:g}; set it to none, or give split more validation rows"
        )
    logit_N = logit_N.astype(np.float64)
    if kind == "temperature":
        return Temperature(best_rate(logit_N, label_N, weight_N))
    return Monotone(*knots(logit_N, label_N, weight_N))


def best_rate(logit_N: np.ndarray, label_N: np.ndarray, weight_N: np.ndarray) -> float:
    """What the logits are to be multiplied with for the smallest log-loss, which is convex in it."""
    found = minimize_scalar(
        lambda log_rate: log_loss(np.exp(log_rate) * logit_N, label_N, weight_N), bounds=tuple(np.log(RATES)), method="bounded"
    )
    return float(np.exp(found.x))


def knots(logit_N: np.ndarray, label_N: np.ndarray, weight_N: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean logits and log-odds of the click rates of groups, both strictly ascending.

    Isotonic regression of the groups' rates (Zadrozny and Elkan: Transforming classifier scores into accurate multiclass
    probability estimates, KDD 2002), each level as one point at its centre instead of a step (Oron and Flournoy: Centered
    isotonic regression, Statistics in Biopharmaceutical Research 9, 2017). Half a click and half a row without are added to
    each level, so that none has log-odds without end.
    """
    order_N = np.argsort(logit_N, kind="stable")
    logit_N, label_N, weight_N = logit_N[order_N], label_N[order_N], weight_N[order_N]
    group_N = groups(special.expit(logit_N) * weight_N)
    rows_G, clicks_G, sum_G = (np.bincount(group_N, weight_N * value) for value in (1.0, label_N, logit_N))
    rate_G = IsotonicRegression().fit_transform(np.arange(len(rows_G)), clicks_G / rows_G, sample_weight=rows_G)
    _, level_G = np.unique(rate_G, return_inverse=True)
    rows_K, clicks_K, sum_K = (np.bincount(level_G, weights) for weights in (rows_G, clicks_G, sum_G))
    x_K, y_K = sum_K / rows_K, np.log((clicks_K + 0.5) / (rows_K - clicks_K + 0.5))
    rises_K = np.concatenate([[True], (np.diff(np.maximum.accumulate(x_K)) > 0) & (np.diff(np.maximum.accumulate(y_K)) > 0)])
    return tuple(x_K[rises_K].tolist()), tuple(y_K[rises_K].tolist())


def groups(predicted_N: np.ndarray) -> np.ndarray:
    """Number of the group of each row, ascending, by the clicks that are predicted of it: each group has as many, at least
    GROUP_CLICKS. By the clicks that were seen, a group would end with one, and its rate be too high.
    """
    before_N = np.cumsum(predicted_N) - predicted_N
    number = int(np.clip(predicted_N.sum() / GROUP_CLICKS, 1, MOST_GROUPS))
    groupredicted_N = np.minimum(before_N * number / predicted_N.sum(), number - 1).astype(np.int64)
    return np.unique(groupredicted_N, return_inverse=True)[1]
