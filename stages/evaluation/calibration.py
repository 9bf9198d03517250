"""Calibration of click predictions: curve over equal-mass bins, expected calibration error, and its noise floor."""

from __future__ import annotations

import numpy as np

from stages.evaluation.intervals import wilson
from stages.evaluation.ranking import equal_mass_starts
from stages.row_weights import RowWeights


def calibration_curve(
    label: np.ndarray, p_click: np.ndarray, num_bins: int, confidence: float, weights: RowWeights | None = None
) -> list[dict[str, float | int]]:
    """One entry a bin, ascending: rows, clicks, predicted (mean), observed (click rate) with its Wilson interval."""
    order = np.argsort(p_click, kind="stable")
    if weights is not None and not weights.is_plain:
        return _weighted_curve(label[order], p_click[order].astype(np.float64), num_bins, confidence, weights.taken(order))
    p_sorted, label_sorted = p_click[order].astype(np.float64), label[order].astype(np.float64)
    starts = equal_mass_starts(p_sorted, num_bins)
    rows = np.diff(np.append(starts, p_sorted.shape[0]))
    clicks = np.add.reduceat(label_sorted, starts)
    predicted = np.add.reduceat(p_sorted, starts) / rows
    curve = []
    for bin_rows, bin_clicks, bin_predicted in zip(rows.tolist(), clicks.tolist(), predicted.tolist(), strict=True):
        low, high = wilson(bin_clicks / bin_rows, bin_rows, confidence)
        curve.append(
            {
                "rows": bin_rows,
                "clicks": int(bin_clicks),
                "predicted": round(bin_predicted, 7),
                "observed": round(bin_clicks / bin_rows, 7),
                "low": round(low, 7),
                "high": round(high, 7),
            }
        )
    return curve


def _weighted_curve(
    label: np.ndarray, p_sorted: np.ndarray, num_bins: int, confidence: float, weights: RowWeights
) -> list[dict[str, float | int]]:
    mass = weights.mass_N
    starts = equal_mass_starts(p_sorted, num_bins, mass)
    curve = []
    for start, end in zip(starts.tolist(), [*starts[1:].tolist(), len(label)], strict=True):
        rows = slice(start, end)
        inside, total = weights.taken(rows), mass[rows].sum()
        observed = float((label[rows] * mass[rows]).sum() / total)
        low, high = wilson(observed, inside.evidence(), confidence)
        curve.append(
            {
                "rows": inside.impressions(),
                "clicks": inside.impressions(label[rows] > 0),
                "predicted": round(float((p_sorted[rows] * mass[rows]).sum() / total), 7),
                "observed": round(observed, 7),
                "low": round(low, 7),
                "high": round(high, 7),
            }
        )
    return curve


def expected_calibration_error(label: np.ndarray, p_click: np.ndarray, num_bins: int) -> float:
    """Mean over rows of |observed - predicted| of the row's equal-mass bin."""
    order = np.argsort(p_click, kind="stable")
    p_sorted = p_click[order].astype(np.float64)
    gaps = np.add.reduceat(p_sorted - label[order], equal_mass_starts(p_sorted, num_bins))
    return float(np.abs(gaps).sum() / p_sorted.shape[0])


def ece_noise_floor(p_click: np.ndarray, num_bins: int, seed: int, num_draws: int, weights: RowWeights | None = None) -> float:
    """Calibration error that a perfectly calibrated model with these predictions shows on average, by chance alone.

    Clicks are redrawn from the predictions; in a bin their number is normal enough around its exact mean and variance.
    """
    p_sorted = np.sort(p_click.astype(np.float64))
    mass, square, total = None, 1.0, p_sorted.shape[0]
    if weights is not None and not weights.is_plain:
        sorted_weights = weights.taken(np.argsort(p_click, kind="stable"))
        mass, square, total = sorted_weights.mass_N, sorted_weights.square_N, sorted_weights.mass_N.sum()
    starts = equal_mass_starts(p_sorted, num_bins, mass)
    spread = np.sqrt(np.add.reduceat(p_sorted * (1 - p_sorted) * square, starts))
    draws = np.random.default_rng(seed).standard_normal((num_draws, starts.shape[0]))
    return float(np.abs(draws * spread).sum(axis=1).mean() / total)
