"""Point metrics of click predictions. Plain arrays in, plain floats out; None where a metric has no meaning.

Shapes: label and p_click are [N]; label holds 0 and 1, p_click probabilities.
"""

from __future__ import annotations

import numpy as np

P_MIN = 1e-12  # predictions are kept this far from 0 and 1, so that one certain mistake costs 27.6 nats and not infinity


def check_predictions(label: np.ndarray, p_click: np.ndarray, name: str) -> None:
    """Raise ValueError unless `p_click` holds one finite probability for each label."""
    if p_click.shape != label.shape:
        raise ValueError(
            f"predictions of {name} must have one value for each of the {label.shape[0]} labelled rows, "
            f"got shape {p_click.shape}; run the stage that writes them again"
        )
    bad = ~(np.isfinite(p_click) & (p_click >= 0) & (p_click <= 1))
    if bad.any():
        row = int(np.argmax(bad))
        raise ValueError(
            f"predictions of {name} must be probabilities in [0, 1], got {p_click[row]} in row {row} "
            f"({int(bad.sum())} such rows); the model or its export is broken"
        )


def row_log_loss(label: np.ndarray, p_click: np.ndarray) -> np.ndarray:
    """Loss of every row in nats, float64 [N]. `label` may also be a true probability: then it is the expected loss."""
    p = np.clip(p_click.astype(np.float64), P_MIN, 1 - P_MIN)
    return -(label * np.log(p) + (1.0 - label) * np.log1p(-p))


def log_loss(label: np.ndarray, p_click: np.ndarray, weight: np.ndarray | None = None) -> float:
    loss = row_log_loss(label, p_click)
    return float(loss.mean() if weight is None else np.average(loss, weights=weight))


def binary_entropy(rate: np.ndarray | float) -> np.ndarray:
    """Entropy in nats of a coin that shows heads with probability `rate`; 0 at rates 0 and 1."""
    inner = np.clip(np.asarray(rate, dtype=np.float64), P_MIN, 1 - P_MIN)
    entropy = -(inner * np.log(inner) + (1 - inner) * np.log1p(-inner))
    return np.where((np.asarray(rate) <= 0) | (np.asarray(rate) >= 1), 0.0, entropy)


def normalised_entropy(label: np.ndarray, p_click: np.ndarray) -> float | None:
    """Log-loss over the entropy of the click rate of the same rows; 1 is no better than knowing that rate.

    He et al. 2014, "Practical Lessons from Predicting Clicks on Ads at Facebook". None where all labels are equal.
    """
    entropy = float(binary_entropy(label.mean()))
    return log_loss(label, p_click) / entropy if entropy > 0 else None


def observed_over_predicted(label: np.ndarray, p_click: np.ndarray) -> float | None:
    """Clicks over the sum of predictions: 1 is calibrated on average, 1.1 means 10 % more clicks than predicted."""
    predicted = float(p_click.astype(np.float64).sum())
    return float(label.sum()) / predicted if predicted > 0 else None


def learnable_share(loss_model: float, loss_constant: float, loss_oracle: float) -> float | None:
    """Share of the gap between a constant and the true probabilities that a model closes; None if there is no gap."""
    gap = loss_constant - loss_oracle
    return 1.0 - (loss_model - loss_oracle) / gap if gap > 0 else None
