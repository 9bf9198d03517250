"""Rows that stand for many impressions give the metrics of a table with one row an impression; weights are honoured."""

import numpy as np
import polars as pl
import pytest
from sklearn import metrics as sk

from stages.baseline_models.rates import fit_rates, forward_features
from stages.evaluation.bootstrap import Resampler
from stages.evaluation.calibration import calibration_curve, ece_noise_floor
from stages.evaluation.creative_age import creative_age
from stages.evaluation.curves import gain_table, roc_table
from stages.evaluation.metrics import log_loss
from stages.evaluation.ranking import Ranking
from stages.evaluation.slices import quartile_slice, value_slice
from stages.evaluation.summary import summarise
from stages.models import val_metrics
from stages.row_weights import RowWeights, spread_out

NUM_ROWS = 400
RNG = np.random.default_rng(7)
COUNT = RNG.integers(1, 9, NUM_ROWS)
SCORE = np.round(RNG.normal(-1.0, 1.0, NUM_ROWS), 1)  # with ties
P_TRUE = 1 / (1 + np.exp(-SCORE))
LABEL = (RNG.random(NUM_ROWS) < P_TRUE).astype(np.uint8)
MODEL = (1 / (1 + np.exp(-(SCORE + np.round(RNG.normal(0, 0.4, NUM_ROWS), 1))))).astype(np.float32)
SITE = RNG.integers(0, 3, NUM_ROWS)
EACH = np.repeat(np.arange(NUM_ROWS), COUNT)  # the table with one row an impression
COUNTED = RowWeights(num_rows=NUM_ROWS, count_N=COUNT.astype(np.float64))


def summary(rows: np.ndarray, weights: RowWeights | None, num_resamples: int = 100, **units) -> dict:
    predictions = {"model": MODEL[rows], "constant": np.full(len(rows), 0.3), "lightgbm": P_TRUE[rows]}
    drawn = Resampler(num_rows=len(rows), num_resamples=num_resamples, seed=0, num_threads=1, weights=weights, **units)
    slices = [value_slice(pl.Series("site", SITE[rows]), 9, None if weights is None else weights.count_N)]
    return summarise(LABEL[rows], predictions, P_TRUE[rows], slices, drawn, 10, 0.95)


def points(found, path=()):
    """All numbers but intervals, by where they stand."""
    if isinstance(found, dict):
        for key, value in found.items():
            if key not in ("low", "high", "reason"):
                yield from points(value, (*path, key))
    elif isinstance(found, list):
        for place, value in enumerate(found):
            yield from points(value, (*path, place))
    else:
        yield path, found


def test_counts_give_every_figure_of_a_table_with_one_row_an_impression() -> None:
    counted, each = (dict(points(one)) for one in (summary(np.arange(NUM_ROWS), COUNTED), summary(EACH, None)))
    assert counted.keys() == each.keys() and len(counted) > 60
    for path, value in each.items():
        assert counted[path] == (pytest.approx(value, abs=2e-7) if isinstance(value, float) else value), path
    assert counted[("rows",)] == COUNT.sum() and counted[("clicks",)] == COUNT[LABEL == 1].sum()


def test_sums_of_a_ranking_are_the_same_to_a_billionth() -> None:
    one, other = Ranking(LABEL, MODEL, SITE, 3), Ranking(LABEL[EACH], MODEL[EACH], SITE[EACH], 3)
    found, expected = one.weighted(COUNT.astype(float)), other.weighted(np.ones(len(EACH)))
    for key, values in expected.items():
        np.testing.assert_allclose(found[key], values, rtol=1e-9, err_msg=key)
    one, other = Ranking(LABEL, MODEL), Ranking(LABEL[EACH], MODEL[EACH])
    one.use_bins(10, COUNT.astype(float))
    other.use_bins(10)
    ece = (ranking.weighted(mass)["ece"][0] for ranking, mass in ((one, COUNT.astype(float)), (other, np.ones(len(EACH)))))
    assert next(ece) == pytest.approx(next(ece), rel=1e-9)
    floors = ece_noise_floor(MODEL, 10, 0, 50, COUNTED), ece_noise_floor(MODEL[EACH], 10, 0, 50)
    assert floors[0] == pytest.approx(floors[1], rel=1e-9)


def test_weighted_metrics_are_those_of_scikit_learn() -> None:
    weight = RNG.uniform(0.1, 5.0, NUM_ROWS)
    logit = np.log(MODEL / (1 - MODEL)).astype(np.float64)
    p_click = 1 / (1 + np.exp(-logit))
    expected = sk.log_loss(LABEL, p_click, sample_weight=weight), sk.roc_auc_score(LABEL, p_click, sample_weight=weight)
    assert val_metrics.log_loss(logit, LABEL, weight) == pytest.approx(expected[0], rel=1e-9)
    assert val_metrics.auc(logit, LABEL, weight) == pytest.approx(expected[1], rel=1e-9)
    assert log_loss(LABEL, p_click, weight) == pytest.approx(expected[0], rel=1e-9)
    weights = RowWeights(num_rows=NUM_ROWS, worth_N=weight)
    found = summary(np.arange(NUM_ROWS), weights)
    assert found["models"]["lightgbm"]["auc"]["value"] == pytest.approx(
        sk.roc_auc_score(LABEL, P_TRUE, sample_weight=weight), abs=1e-6
    )
    assert found["rows"] == NUM_ROWS and found["ctr"]["value"] == pytest.approx(np.average(LABEL, weights=weight), abs=1e-6)
    doubled = summary(np.arange(NUM_ROWS), RowWeights(num_rows=NUM_ROWS, worth_N=weight * 3))
    before, after = dict(points(found)), dict(points(doubled))
    for path, value in before.items():
        assert after[path] == (pytest.approx(value, abs=2e-7) if isinstance(value, float) else value), path


def test_curves_slices_and_classes_are_the_same() -> None:
    assert calibration_curve(LABEL, MODEL, 10, 0.95, COUNTED) == calibration_curve(LABEL[EACH], MODEL[EACH], 10, 0.95)
    for table in (roc_table, gain_table):
        found, expected = table(LABEL, {"m": MODEL}, COUNT.astype(float)), table(LABEL[EACH], {"m": MODEL[EACH]})
        np.testing.assert_allclose(found.to_numpy(), expected.to_numpy(), atol=2e-6)
    age = pl.Series("age", SCORE)
    assert quartile_slice(age, COUNTED.count_N).values == quartile_slice(age[EACH]).values
    ads = pl.Series("ad", [f"a{int(value * 10) % 7}" for value in SCORE])
    assert value_slice(ads, 4, COUNTED.count_N).values == value_slice(ads[EACH], 4).values
    found = creative_age(ads, ads, 7, LABEL, MODEL, COUNTED, COUNTED.count_N)
    assert found == creative_age(ads[EACH], ads[EACH], 7, LABEL[EACH], MODEL[EACH])


def test_intervals_rest_on_impressions_or_on_whole_units() -> None:
    """The same distribution, other draws: widths agree as far as two thousand draws do."""

    def width(found: dict) -> float:
        estimate = found["models"]["model"]["log_loss"]
        return estimate["high"] - estimate["low"]

    counted, each = summary(np.arange(NUM_ROWS), COUNTED, 2000), summary(EACH, None, 2000)
    assert width(counted) == pytest.approx(width(each), rel=0.12)
    user = np.arange(NUM_ROWS) // 8
    units = [{"unit": user[rows], "num_units": 50, "unit_name": "users"} for rows in (np.arange(NUM_ROWS), EACH)]
    same = summary(np.arange(NUM_ROWS), COUNTED, 200, **units[0]), summary(EACH, None, 200, **units[1])
    assert width(same[0]) == pytest.approx(width(same[1]), rel=1e-5)


def test_uneven_weights_are_less_evidence() -> None:
    weights = RowWeights(num_rows=4, worth_N=np.array([1.0, 1.0, 1.0, 3.0]))
    assert weights.evidence() == 3 and weights.evidence(np.array([True, True, False, False])) == 2
    both = RowWeights(num_rows=2, count_N=np.array([10.0, 5.0]), worth_N=np.array([1.0, 2.0]))
    assert both.impressions() == 15 and both.mass_N.tolist() == [10.0, 10.0] and both.evidence() == round(400 / 30)


def test_rates_of_ids_count_impressions() -> None:
    count = COUNT.astype(float)
    table, loss = fit_rates(SITE, LABEL, SITE, LABEL, [2.0, 50.0], count, count)
    expected, expected_loss = fit_rates(SITE[EACH], LABEL[EACH], SITE[EACH], LABEL[EACH], [2.0, 50.0])
    assert table.rows.tolist() == expected.rows.tolist() and table.clicks.tolist() == expected.clicks.tolist()
    assert loss == pytest.approx(expected_loss, rel=1e-9) and table.prior == pytest.approx(expected.prior, rel=1e-12)
    rate, _ = forward_features(SITE, LABEL, table, count)
    of_each, _ = forward_features(SITE[EACH], LABEL[EACH], expected)
    first = np.cumsum(COUNT) - COUNT
    np.testing.assert_allclose(rate, of_each[first], rtol=1e-9)


def test_rows_are_spread_out_and_of_many_a_part_is_drawn_evenly() -> None:
    weights = RowWeights(num_rows=3, count_N=np.array([2.0, 1.0, 3.0]))
    assert spread_out(weights, 10).tolist() == [0, 0, 1, 2, 2, 2] and spread_out(weights, 3).tolist() == [0, 2, 2]
    assert spread_out(RowWeights(num_rows=3), 10) is None
