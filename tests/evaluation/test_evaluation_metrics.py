"""Point metrics against scikit-learn, brute force and hand-made values."""

import numpy as np
import pytest
from sklearn import metrics as sk

from stages.evaluation.metrics import (
    binary_entropy,
    check_predictions,
    learnable_share,
    log_loss,
    normalised_entropy,
    observed_over_predicted,
    row_log_loss,
)
from stages.evaluation.ranking import auc


def draw(num_rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    p_click = rng.uniform(0.001, 0.4, num_rows)
    return (rng.random(num_rows) < p_click).astype(np.uint8), p_click


@pytest.mark.parametrize("decimals", [1, 2, 12])
def test_auc_and_log_loss_equal_scikit_learn_also_with_ties(decimals: int) -> None:
    label, p_click = draw(3000, seed=decimals)
    p_click = np.clip(p_click.round(decimals), 0.01, 0.99)
    assert auc(label, p_click) == pytest.approx(sk.roc_auc_score(label, p_click), abs=1e-12)
    assert log_loss(label, p_click) == pytest.approx(sk.log_loss(label, p_click), abs=1e-12)


def test_weighted_auc_equals_comparing_every_pair() -> None:
    rng = np.random.default_rng(5)
    label, p_click = rng.integers(0, 2, 60), rng.integers(0, 6, 60) / 10
    weight = rng.integers(0, 4, 60)
    wins = total = 0.0
    for i in np.flatnonzero(label == 1):
        for j in np.flatnonzero(label == 0):
            pair = weight[i] * weight[j]
            total += pair
            wins += pair * (1.0 if p_click[i] > p_click[j] else 0.5 if p_click[i] == p_click[j] else 0.0)
    assert auc(label, p_click, weight) == pytest.approx(wins / total, abs=1e-12)


def test_auc_is_none_when_one_class_is_absent() -> None:
    assert auc(np.zeros(4), np.linspace(0, 1, 4)) is None
    assert auc(np.ones(4), np.linspace(0, 1, 4)) is None


def test_normalised_entropy_of_the_base_rate_is_one() -> None:
    label = np.array([1, 0, 0, 0])
    assert normalised_entropy(label, np.full(4, 0.25)) == pytest.approx(1.0)
    assert normalised_entropy(np.zeros(4), np.full(4, 0.25)) is None


def test_binary_entropy_at_a_half_is_log_two_and_at_the_ends_zero() -> None:
    np.testing.assert_allclose(binary_entropy(np.array([0.0, 0.5, 1.0])), [0.0, np.log(2), 0.0])


def test_loss_of_a_certain_mistake_is_large_but_finite() -> None:
    assert row_log_loss(np.array([1.0]), np.array([0.0]))[0] == pytest.approx(27.631, abs=1e-3)


def test_loss_against_a_true_probability_is_the_expected_loss() -> None:
    expected = 0.3 * -np.log(0.2) + 0.7 * -np.log(0.8)
    assert row_log_loss(np.array([0.3]), np.array([0.2]))[0] == pytest.approx(expected)


def test_observed_over_predicted_divides_clicks_by_the_sum_of_predictions() -> None:
    assert observed_over_predicted(np.array([1, 1, 0, 0]), np.array([0.5, 0.5, 0.3, 0.3])) == pytest.approx(1.25)
    assert observed_over_predicted(np.array([1, 0]), np.zeros(2)) is None


def test_learnable_share_is_zero_for_the_constant_one_for_the_oracle_and_none_without_a_gap() -> None:
    assert learnable_share(0.2, 0.2, 0.1) == 0.0
    assert learnable_share(0.1, 0.2, 0.1) == 1.0
    assert learnable_share(0.12, 0.2, 0.1) == pytest.approx(0.8)
    assert learnable_share(0.2, 0.1, 0.1) is None


def test_predictions_that_are_no_probabilities_are_refused_with_row_and_value() -> None:
    with pytest.raises(ValueError, match=r"lightgbm must be probabilities in \[0, 1\], got nan in row 1"):
        check_predictions(np.zeros(2), np.array([0.5, np.nan]), "lightgbm")
    with pytest.raises(ValueError, match="one value for each of the 2 labelled rows"):
        check_predictions(np.zeros(2), np.array([0.5]), "model")
