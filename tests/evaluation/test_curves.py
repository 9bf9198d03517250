"""The tables behind the plots."""

import numpy as np
import pytest
from sklearn import metrics as sk

from stages.evaluation.curves import ALL_ROWS, by_prediction, calibration_table, gain_table, roc_table, slice_table


def test_area_under_the_roc_table_is_the_auc() -> None:
    rng = np.random.default_rng(0)
    p_click = rng.random(4000)
    label = (rng.random(4000) < 0.3 * p_click).astype(np.uint8)
    table = roc_table(label, {"model": p_click})
    area = np.trapezoid(table["model"], table["false_positive_rate"])
    assert area == pytest.approx(sk.roc_auc_score(label, p_click), abs=2e-3)


def test_gain_of_a_perfect_order_has_all_clicks_in_the_first_rows() -> None:
    label = np.array([1, 1, 0, 0, 0, 0, 0, 0, 0, 0])
    table = gain_table(label, {"perfect": label * 0.9, "constant": np.full(10, 0.2)})
    at = dict(zip(table["share_of_impressions"], table["perfect"], strict=True))
    assert (at[0.0], at[0.1], at[0.2], at[1.0]) == (0.0, 0.5, 1.0, 1.0)
    assert table["constant"].to_list() == pytest.approx(table["share_of_impressions"].to_list())


def test_undefined_slice_metrics_are_empty_cells() -> None:
    none = {"value": None, "low": None, "high": None, "reason": "undefined: 0 clicks"}
    one = {"value": 0.5, "low": 0.4, "high": 0.6}
    entry = {"value": "tv", "rows": 7, "clicks": 0, "mean_prediction": 0.1, "ctr": one, "auc": none}
    entry |= {"normalised_entropy": none, "observed_over_predicted": one}
    table = slice_table({"device": [entry]}, entry | {"rows": 12, "auc": one})
    assert table["slice"].to_list() == [ALL_ROWS, "device = tv"]
    assert table["rows"].to_list() == [12, 7]
    assert table["auc"].to_list() == [0.5, None]
    assert table["observed_over_predicted_low"].to_list() == [0.4, 0.4]


def test_long_tables_have_a_row_a_point_under_the_prediction_s_title() -> None:
    wide = roc_table(np.array([1, 0]), {"model": np.array([0.9, 0.1]), "lightgbm": np.array([0.1, 0.9])})
    long = by_prediction(wide, "true_positive_rate")
    assert long.columns == ["prediction", "false_positive_rate", "true_positive_rate"]
    assert long["prediction"].unique(maintain_order=True).to_list() == ["Model", "LightGBM"]
    assert long.filter(prediction="LightGBM")["true_positive_rate"].to_list() == wide["lightgbm"].to_list()
    point = {"rows": 9, "clicks": 1, "predicted": 0.1, "observed": 0.11, "low": 0.0, "high": 0.3}
    table = calibration_table({"model": [point], "lightgbm": [point, point]})
    assert table["prediction"].to_list() == ["Model", "LightGBM", "LightGBM"]
    assert table["high"].to_list() == [0.3] * 3
