"""Figures of values that no font can show."""

import warnings

from stages.evaluation.plots import plot_slices


def test_a_value_with_a_tab_is_drawn_without_a_warning(tmp_path):
    estimate = {"value": 0.7, "low": 0.6, "high": 0.8}
    metrics = {"auc": estimate, "observed_over_predicted": estimate}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plot_slices({"device": [{"value": "a\tphone\x00", "rows": 90, "clicks": 9, **metrics}]}, metrics, tmp_path / "slices.png")
    assert (tmp_path / "slices.png").read_bytes().startswith(b"\x89PNG")
