"""Exact validation metrics from all logits of a split, in float64."""

import numpy as np


def log_loss(logit_N: np.ndarray, label_N: np.ndarray) -> float:
    """Mean negative log-likelihood of the labels, in nats."""
    logit_N = logit_N.astype(np.float64)
    return float(np.mean(np.logaddexp(0.0, logit_N) - label_N * logit_N))


def auc(logit_N: np.ndarray, label_N: np.ndarray) -> float:
    """Chance that a clicked row has a higher logit than one not clicked, a tie counting half; NaN if a class is absent."""
    num_clicks = int(label_N.sum())
    num_others = len(label_N) - num_clicks
    if num_clicks == 0 or num_others == 0:
        return float("nan")
    _, inverse_N, counts = np.unique(logit_N, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(counts) - (counts - 1) / 2
    rank_sum = float(mean_rank[inverse_N[label_N == 1]].sum())
    return (rank_sum - num_clicks * (num_clicks + 1) / 2) / (num_clicks * num_others)
