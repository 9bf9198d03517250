"""Figures of labelled rows, how far they may be off, and what a look may spend: by hand, by brute force and by simulation."""

from datetime import date, timedelta

import numpy as np
import pytest
from scipy import stats

from lifecycle.monitor.quality.creep import judge_creep, week_ratios
from lifecycle.monitor.quality.history import ALL, DaySums, History
from lifecycle.monitor.quality.looks import error_of, plan_looks
from lifecycle.monitor.quality.promise import expectation, own_word, read_promised, stratum_of
from lifecycle.monitor.quality.statistics.clusters import wideness
from lifecycle.monitor.quality.statistics.counts import compare_counts, evidence_of_reference
from lifecycle.monitor.quality.statistics.figures import auc, integrated_calibration, log_loss, normalised_entropy, ratio
from stages.evaluation import metrics
from tests.lifecycle.monitor.played import case_of, monitor_config

DAY = date(2026, 9, 1)


def drawn(rng: np.random.Generator, rows: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    p = rng.beta(1, 12, rows)
    return (rng.random(rows) < p).astype(float), p


def test_figures_are_those_of_the_evaluation():
    label, p = drawn(np.random.default_rng(1))
    assert log_loss(label, p).value == pytest.approx(metrics.log_loss(label, p), rel=1e-12)
    assert normalised_entropy(label, p).value == pytest.approx(metrics.normalised_entropy(label, p), rel=1e-12)
    assert ratio(label, p).value == pytest.approx(metrics.observed_over_predicted(label, p), rel=1e-12)
    pairs = p[label > 0][:, None] - p[label == 0][None]
    assert auc(label, p).value == pytest.approx(((pairs > 0) + 0.5 * (pairs == 0)).mean(), rel=1e-12)


def test_figures_without_a_click_are_none():
    label, p = np.zeros(10), np.full(10, 0.1)
    assert normalised_entropy(label, p) is None and auc(label, p) is None
    assert ratio(label, p).value == 0


@pytest.mark.parametrize("figure", [normalised_entropy, auc, log_loss, ratio])
def test_errors_by_influences_are_those_of_many_draws(figure):
    rng = np.random.default_rng(2)
    label, p = drawn(rng)
    picks = rng.integers(0, len(p), (400, len(p)))
    drawn_again = np.std([figure(label[pick], p[pick]).value for pick in picks])
    assert wideness(figure(label, p).influence_N, {}).error == pytest.approx(drawn_again, rel=0.12)


def test_wideness_by_hand():
    width = wideness(np.array([1.0, 1.0, -1.0, -1.0]), {"users": np.array([0, 0, 1, 1]), "creatives": np.array([0, 1, 0, 1])})
    assert (width.by, width.by_row, width.widest, width.units) == ("users", 4.0, (4 + 4) * 2 / 1, 2.0)
    alone = wideness(np.array([1.0, 1.0, -2.0]), {"users": np.array([-1, -1, -1])})
    assert (alone.by, alone.widest) == ("rows", 6.0)


def test_intervals_hold_the_truth_where_creatives_go_together():
    """Coverage of 95 % intervals of clicks by predictions, where the model is off by another factor for each creative."""
    rng, held, held_by_row, runs = np.random.default_rng(3), 0, 0, 400
    for _ in range(runs):
        creative = rng.integers(0, 60, 6000)
        off = np.exp(0.5 * rng.standard_normal(60) - 0.125)
        p = rng.beta(2, 30, 6000)
        label = (rng.random(6000) < np.minimum(1, p * off[creative])).astype(float)
        figure = ratio(label, p)
        width = wideness(figure.influence_N, {"creatives": creative})
        held += abs(figure.value - 1) <= width.quantile(0.05) * width.error
        held_by_row += abs(figure.value - 1) <= 1.96 * np.sqrt(width.by_row)
    assert 0.92 <= held / runs <= 0.985
    assert held_by_row / runs < 0.85  # what it would be if rows were taken for themselves


@pytest.mark.parametrize(("observed", "expected"), [(3, 10.0), (25, 12.5), (0, 4.0), (100, 100.0)])
def test_counts_are_compared_exactly_where_the_expectation_is_certain(observed, expected):
    p = compare_counts(observed, expected, 1.0, np.inf, 1e9).p_value
    low, high = stats.poisson.cdf(observed, expected), stats.poisson.sf(observed - 1, expected)
    assert p == pytest.approx(min(1, 2 * min(low, high)), rel=1e-4)


def test_counts_are_compared_exactly_with_counts():
    p = compare_counts(30, 20.0, 1.0, 50.0, 1e9).p_value
    assert p == pytest.approx(2 * stats.binom.sf(29, 80, 20 / 70), rel=1e-4)
    assert compare_counts(30, 20.0, 2.0, 50.0, 1e9).p_value > p  # clicks that go together tell less
    assert compare_counts(30, 20.0, 1.0, 50.0, 5).p_value > p  # and so do few units


def test_counts_without_a_difference_are_seldom_called_different():
    rng = np.random.default_rng(4)
    p = [compare_counts(float(rng.poisson(40)), float(rng.poisson(200)) / 5, 1.0, 200.0, 1e9).p_value for _ in range(4000)]
    assert np.mean(np.array(p) < 0.05) < 0.06 and np.mean(np.array(p) < 0.01) < 0.016


def test_more_rows_of_the_same_creatives_are_not_more_evidence():
    apart = wideness(np.ones(100) * np.tile([1, -1], 50), {})
    assert evidence_of_reference(500.0, apart, 5.0) == 500.0
    influence = np.repeat(np.random.default_rng(5).standard_normal(50), 20)
    together = wideness(influence, {"creatives": np.repeat(np.arange(50), 20)})
    assert evidence_of_reference(500.0, together, 5.0) < 200


def test_the_promise_counts_by_the_mix_of_the_rows():
    old = {"rows": 900, "observed": 0.02, "predicted": 0.02, "log_loss": 0.1, "expected_log_loss": 0.1, "ids": [2, 9]}
    new = {"rows": 100, "observed": 0.06, "predicted": 0.05, "log_loss": 0.3, "expected_log_loss": 0.2}
    total = {"rows": 1000, "observed": 0.024, "predicted": 0.023, "log_loss": 0.12}
    promised = read_promised(total | {"creative_age": {"quintile 1": old, "unknown": new}})
    stratum = stratum_of(np.array([2, 0, 0, 9]), promised)
    assert stratum.tolist() == ["quintile 1", "unknown", "unknown", "quintile 1"]
    found = expectation(promised, stratum, np.array([0.1, 0.2, 0.2, 0.1]), np.array([0.3, 0.5, 0.5, 0.3]))
    assert found.clicks == pytest.approx(0.2 * 1.0 + 0.4 * 1.2)
    assert found.log_loss == pytest.approx(0.2) and found.rate == pytest.approx(0.04)
    assert found.excess == pytest.approx((0.6 * 1.0 + 1.0 * 1.5) / 1.6)
    assert found.given == pytest.approx(0.68**2 / (0.2**2 / 18 + 0.48**2 / 6))


def test_rows_without_a_click_promise_half_a_one():
    quiet = {"rows": 50, "observed": 0.0, "predicted": 0.02, "log_loss": 0.02}
    promised = read_promised(quiet | {"rows": 1000, "observed": 0.02, "creative_age": {"unknown": quiet}})
    found = expectation(promised, stratum_of(np.array([0, 0]), promised), np.array([0.1, 0.3]), np.array([0.3, 0.6]))
    assert found.clicks == pytest.approx(0.4 * 0.01 / 0.02) and found.given == pytest.approx(0.5)


def test_a_promise_in_sums_is_that_in_rates():
    rates = read_promised({"rows": 1000, "observed": 0.05, "predicted": 0.04, "log_loss": 0.2})
    assert read_promised({"rows": 1000, "observed": 50, "predicted": 40, "log_loss": 0.2}).total == rates.total
    assert own_word().total.ratio == 1 and not own_word().is_told


def test_looks_end_with_days_and_spend_no_more_than_a_month_has():
    config = monitor_config().quality
    days = [(DAY + timedelta(days=i), 6500) for i in range(31)]
    looks = plan_looks(days, config)
    assert [(look.first.day, look.last.day) for look in looks[:2]] == [(1, 2), (3, 4)] and len(looks) == 15
    assert (looks[-1].recent - DAY).days == 30 - 6  # 39,000 rows with those of the look
    assert sum(error_of(look, config, 1).warning for look in looks) <= config.error
    assert sum(error_of(look, config, 2).page * 2 for look in looks) <= config.page_error
    assert plan_looks(days, config, after=looks[-2].last) == looks[-1:]
    busy = plan_looks([(DAY + timedelta(days=i), 10**6) for i in range(31)], config)
    assert len(busy) == 31 and sum(error_of(look, config, 1).warning for look in busy) == pytest.approx(config.error)


def test_a_slice_that_drifts_is_put_against_all_rows_of_its_week():
    days = [DAY + timedelta(days=i) for i in range(28)]
    everything = [DaySums(day=day, clicks=200, predicted=100.0) for day in days]
    creeping = [DaySums(day=day, clicks=20 * (1 + i // 7), predicted=10.0) for i, day in enumerate(days)]
    weeks = week_ratios(creeping, everything, days[-1], 30, 8)
    assert [round(np.exp(week.log_ratio), 6) for week in weeks] == [1.0, 2.0, 3.0, 4.0]
    assert week_ratios(creeping, everything, days[-1], 10**6, 8) == []


def test_a_slope_through_few_weeks_that_scatter_is_not_sure():
    """At random weeks beyond counting noise: by the normal distribution a fifth of such slices would be called significant."""
    rng, days = np.random.default_rng(4), [DAY + timedelta(days=i) for i in range(28)]
    everything = [DaySums(day=day, clicks=20000, predicted=20000.0) for day in days]
    case = case_of(label_N=np.tile([1.0, 0, 0, 0], 300), slice_N=np.zeros(1200))
    p_values = []
    for _ in range(400):
        off = np.exp(rng.normal(0, 0.2, 4))
        weekly = [DaySums(day=day, clicks=int(1000 * off[i // 7]), predicted=1000.0) for i, day in enumerate(days)]
        history = History(prior_rows=200, sums={(1, ALL, ALL): everything, (1, "site", "a"): weekly})
        p_values += [one.p_value for one in judge_creep(case, history, days[-1])]
    assert len(p_values) == 400 and np.mean(np.array(p_values) < 0.05) < 0.09


def test_integrated_calibration_is_the_distance_of_prediction_and_rate():
    rng = np.random.default_rng(6)
    p = rng.uniform(0.05, 0.4, 40_000)
    honest = integrated_calibration((rng.random(40_000) < p).astype(float), p)
    off = integrated_calibration((rng.random(40_000) < p * 1.5).astype(float), p)
    assert honest < 0.01 and off == pytest.approx(0.5 * p.mean(), abs=0.01)
