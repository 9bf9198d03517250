"""Exact validation metrics from all logits of a split, in float64."""

import numpy as np


def log_loss(logit_N: np.ndarray, label_N: np.ndarray, weight_N: np.ndarray | None = None) -> float:
    """Mean negative log-likelihood of the labels, in nats; weighted if there are weights."""
    logit_N = logit_N.astype(np.float64)
    loss_N = np.logaddexp(0.0, logit_N) - label_N * logit_N
    return float(np.mean(loss_N) if weight_N is None else np.average(loss_N, weights=weight_N))


def auc(logit_N: np.ndarray, label_N: np.ndarray, weight_N: np.ndarray | None = None) -> float:
    """Chance that a clicked row has a higher logit than one not clicked, a tie counting half; NaN if a class is absent. A row is
    drawn as often as it weighs.
    """
    if weight_N is not None:
        return _weighted_auc(logit_N, label_N, weight_N)
    num_clicks = int(label_N.sum())
    num_others = len(label_N) - num_clicks
    if num_clicks == 0 or num_others == 0:
        return float("nan")
    _, inverse_N, counts = np.unique(logit_N, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(counts) - (counts - 1) / 2
    rank_sum = float(mean_rank[inverse_N[label_N == 1]].sum())
    return (rank_sum - num_clicks * (num_clicks + 1) / 2) / (num_clicks * num_others)


def _weighted_auc(logit_N: np.ndarray, label_N: np.ndarray, weight_N: np.ndarray) -> float:
    _, place_N = np.unique(logit_N, return_inverse=True)
    clicked_U, others_U = (np.bincount(place_N, weight_N * (label_N == label)) for label in (1, 0))
    clicked, others = clicked_U.sum(), others_U.sum()
    if clicked == 0 or others == 0:
        return float("nan")
    below_U = np.cumsum(others_U) - others_U / 2
    return float((clicked_U * below_U).sum() / (clicked * others))
