"""Classes of creatives by what training knew of them: rows and figures by hand."""

import numpy as np
import polars as pl
import pytest

from stages.evaluation.creative_age import creative_age


def judged(tested: list, trained: list, num_ids: int | None, label=None, p_click=None) -> dict:
    n = len(tested)
    label = np.zeros(n) if label is None else np.array(label)
    p_click = np.full(n, 0.5, dtype=np.float32) if p_click is None else np.array(p_click, dtype=np.float32)
    return creative_age(pl.Series(tested, dtype=pl.String), pl.Series(trained, dtype=pl.String), num_ids, label, p_click)


def test_figures_by_hand():
    found = judged(["a", "a", "new", None], ["a"] * 3, 3, label=[1, 0, 1, 0], p_click=[0.25, 0.75, 0.5, 0.5])
    assert found["known"] == {
        "rows": 2, "log_loss": pytest.approx(-np.log(0.25), abs=1e-6), "observed": 0.5, "predicted": 0.5,
        "predicted_log_loss": pytest.approx(-0.25 * np.log(0.25) - 0.75 * np.log(0.75), abs=1e-6),
    }  # fmt: skip
    half = pytest.approx(np.log(2), abs=1e-6)
    assert found["unknown"] == {"rows": 1, "log_loss": half, "observed": 1.0, "predicted": 0.5, "predicted_log_loss": half}
    assert found["missing"]["rows"] == 1
    assert found["quintile 1"]["train_rows"] == [3, 3] and found["quintile 1"]["ids"] == [2, 2]
    assert "quintile 2" not in found  # one creative is one class


def test_classes_follow_the_ids_of_the_vocabulary():
    trained = [f"c{i}" for i in range(10) for _ in range(10 * (i + 1))]  # c9 has most, and so id 2
    found = judged([f"c{i}" for i in range(10)], trained, 12)
    assert [found[f"quintile {place}"]["ids"] for place in range(1, 6)] == [[10, 11], [8, 9], [6, 7], [4, 5], [2, 3]]
    assert [found[f"quintile {place}"]["train_rows"] for place in (1, 5)] == [[10, 20], [90, 100]]
    assert [found[f"quintile {place}"]["rows"] for place in range(1, 6)] == [2] * 5


def test_creatives_too_rare_for_an_id_are_unknown():
    found = judged(["a", "rare"], ["a"] * 20 + ["rare"] * 2, 3)
    assert (found["known"]["rows"], found["unknown"]["rows"]) == (1, 1)


def test_without_ids_training_rows_decide():
    found = judged(["a", "rare", "new"], ["a"] * 20 + ["rare"] * 2, None)
    assert (found["known"]["rows"], found["unknown"]["rows"]) == (2, 1)
    assert found["quintile 1"]["ids"] is None


def test_creatives_that_no_test_row_shows_are_in_a_class_too():
    found = judged(["b", "b"], ["a"] * 50 + ["b"] * 30 + ["c"] * 10, 5)
    assert found["quintile 1"] | {"ids": [2, 4], "train_rows": [10, 50], "rows": 2} == found["quintile 1"]
    assert "quintile 2" not in found
