"""Intervals against published values, and how often they hold the truth."""

import numpy as np
import pytest

from stages.evaluation.intervals import (
    Estimate,
    Evidence,
    auc_estimate,
    ece_estimate,
    evidence,
    expanded_tail,
    from_replicates,
    poisson_mean,
    ratio_estimate,
    wilson,
)


def test_wilson_of_one_in_ten_is_the_textbook_interval() -> None:
    low, high = wilson(0.1, 10, 0.95)
    assert (round(low, 4), round(high, 4)) == (0.0179, 0.4042)
    assert wilson(0.0, 10, 0.95)[1] == pytest.approx(0.2775, abs=1e-4)


def test_exact_poisson_interval_after_no_and_after_ten_events() -> None:
    assert poisson_mean(0, 0.95) == (0.0, pytest.approx(3.6889, abs=1e-4))
    low, high = poisson_mean(10, 0.95)
    assert (round(low, 3), round(high, 3)) == (4.795, 18.390)


def test_tail_is_normal_for_many_clicks_and_much_smaller_for_ten() -> None:
    assert expanded_tail(100_000, 0.95) == pytest.approx(0.025, abs=1e-4)
    assert expanded_tail(10, 0.95) == pytest.approx(0.0086, abs=1e-4)


def test_percentile_interval_covers_the_mean_of_rare_clicks() -> None:
    rng = np.random.default_rng(0)
    rate, num_rows, covered = 0.02, 1500, 0
    for _ in range(300):
        clicks = int(rng.binomial(num_rows, rate))
        replicates = rng.binomial(num_rows, clicks / num_rows, 400) / num_rows
        one = from_replicates(clicks / num_rows, replicates, evidence(clicks, num_rows), 0.95)
        covered += one.low <= rate <= one.high
    assert 0.91 <= covered / 300 <= 0.99


def test_no_interval_below_ten_clicks_and_the_reason_says_so() -> None:
    one = from_replicates(0.2, np.full(300, 0.2), evidence(4, 20), 0.95)
    assert (one.value, one.low) == (0.2, None)
    assert one.reason == "no interval: 4 clicks, at least 10 are needed"


def test_undefined_metric_is_none_with_a_reason_and_not_nan() -> None:
    one = auc_estimate(float("nan"), np.full(300, np.nan), evidence(0, 9), 0.95)
    assert one.as_dict() == {"value": None, "low": None, "high": None, "reason": "undefined: 0 clicks among these rows"}


def test_interval_is_withheld_when_many_resamples_are_undefined() -> None:
    replicates = np.where(np.arange(300) < 30, np.nan, 0.6)
    assert "undefined in 30 of 300 resamples" in from_replicates(0.6, replicates, evidence(50, 500), 0.95).reason


def test_auc_of_one_click_has_a_wide_interval_although_resampling_shows_none() -> None:
    one = auc_estimate(0.7, np.full(300, 0.7), evidence(1, 90), 0.95)
    assert one.high - one.low > 0.75


def test_rows_without_a_click_count_where_these_are_rarer() -> None:
    one = from_replicates(0.2, np.full(300, 0.2), evidence(997, 1000), 0.95)
    assert (one.low, one.reason) == (None, "no interval: 3 rows without a click, at least 10 are needed")
    one = auc_estimate(0.7, np.full(300, 0.7), evidence(997, 1000), 0.95)
    assert one.high - one.low > 0.6


def test_few_units_that_are_drawn_whole_are_little_evidence_however_many_clicks_they_have() -> None:
    creatives = Evidence(count=5, what="creatives")
    one = from_replicates(0.2, np.full(300, 0.2), evidence(4000, 20_000, creatives), 0.95)
    assert one.reason == "no interval: 5 creatives, at least 10 are needed"
    assert ratio_estimate(4000, 4100.0, np.ones(300), evidence(4000, 20_000, creatives), 0.95).low is None
    assert evidence(4, 20_000, creatives) == Evidence(count=4, what="clicks")


def test_no_click_in_a_slice_gives_a_ratio_of_zero_with_an_upper_limit() -> None:
    one = ratio_estimate(0, 5.0, np.zeros(300), evidence(0, 90), 0.95)
    assert (one.value, one.low) == (0.0, 0.0)
    assert one.high == pytest.approx(3.6889 / 5, abs=1e-4)


def test_calibration_error_interval_takes_the_noise_of_resampling_off_and_holds_the_value() -> None:
    one = ece_estimate(0.010, np.linspace(0.012, 0.018, 301), evidence(5000, 90_000), 0.95)
    assert one.low == pytest.approx(0.020 - 0.01785, abs=1e-4)
    assert one.high == 0.010


def test_numbers_are_rounded_when_written() -> None:
    assert Estimate(value=1 / 3, low=0.0, high=1.0).as_dict() == {"value": 0.3333333, "low": 0.0, "high": 1.0}
