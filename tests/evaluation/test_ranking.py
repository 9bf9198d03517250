"""The ranking gives the same sums as plain loops over groups."""

import numpy as np
import pytest
from sklearn import metrics as sk

from stages.evaluation.ranking import Ranking, equal_mass_starts


def test_every_group_equals_scikit_learn_on_its_own_rows_repeated_by_weight() -> None:
    rng = np.random.default_rng(1)
    label, p_click = rng.integers(0, 2, 400), rng.integers(1, 20, 400) / 20
    group, weight = rng.integers(0, 3, 400), rng.integers(0, 3, 400)
    p_click = np.clip(p_click, 0.05, 0.95)
    sums = Ranking(label, p_click, group, 3).weighted(weight)
    for code in range(3):
        rows = np.repeat(np.flatnonzero(group == code), weight[group == code])
        assert sums["auc"][code] == pytest.approx(sk.roc_auc_score(label[rows], p_click[rows]))
        assert sums["rows"][code] == len(rows)
        assert sums["clicks"][code] == label[rows].sum()
        assert sums["loss"][code] / len(rows) == pytest.approx(sk.log_loss(label[rows], p_click[rows]))
        assert sums["predicted"][code] == pytest.approx(p_click[rows].sum())


def test_equal_predictions_in_different_groups_are_not_tied() -> None:
    label, p_click = np.array([1, 0, 1, 0]), np.full(4, 0.5)
    sums = Ranking(label, p_click, np.array([0, 0, 1, 1]), 2).weighted(np.ones(4))
    np.testing.assert_array_equal(sums["auc"], [0.5, 0.5])


def test_a_group_without_clicks_has_nan_auc_and_its_other_sums() -> None:
    sums = Ranking(np.array([0, 0, 1]), np.array([0.1, 0.2, 0.3]), np.array([0, 0, 1]), 2).weighted(np.ones(3))
    assert np.isnan(sums["auc"]).all()
    np.testing.assert_array_equal(sums["clicks"], [0, 1])


def test_a_group_without_rows_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one row"):
        Ranking(np.array([0, 1]), np.array([0.1, 0.2]), np.array([0, 0]), 2)


def test_equal_mass_bins_are_equal_and_keep_equal_predictions_together() -> None:
    np.testing.assert_array_equal(equal_mass_starts(np.arange(8) / 10, 4), [0, 2, 4, 6])
    np.testing.assert_array_equal(equal_mass_starts(np.array([0.1, 0.1, 0.1, 0.2, 0.3, 0.3]), 3), [0, 4])
    np.testing.assert_array_equal(equal_mass_starts(np.full(5, 0.2), 3), [0])
