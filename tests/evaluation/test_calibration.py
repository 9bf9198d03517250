"""Calibration curve, error and noise floor."""

import numpy as np
import pytest

from stages.evaluation.calibration import calibration_curve, ece_noise_floor, expected_calibration_error

LABEL = np.array([0, 0, 0, 1, 0, 1, 1, 1])
P_CLICK = np.array([0.1, 0.1, 0.2, 0.2, 0.6, 0.6, 0.8, 0.8])


def test_curve_of_two_bins_by_hand() -> None:
    low, high = calibration_curve(LABEL, P_CLICK, num_bins=2, confidence=0.95)
    assert (low["rows"], low["clicks"], low["predicted"], low["observed"]) == (4, 1, 0.15, 0.25)
    assert (high["rows"], high["clicks"], high["predicted"], high["observed"]) == (4, 3, 0.7, 0.75)
    assert low["low"] < 0.25 < low["high"]


def test_error_of_two_bins_by_hand() -> None:
    assert expected_calibration_error(LABEL, P_CLICK, 2) == pytest.approx(0.5 * 0.10 + 0.5 * 0.05)


def test_noise_floor_is_the_mean_error_of_redrawn_clicks() -> None:
    rng = np.random.default_rng(3)
    p_click = rng.uniform(0.01, 0.3, 4000)
    redrawn = [expected_calibration_error(rng.random(4000) < p_click, p_click, 10) for _ in range(400)]
    assert ece_noise_floor(p_click, 10, seed=0, num_draws=1000) == pytest.approx(np.mean(redrawn), rel=0.05)
