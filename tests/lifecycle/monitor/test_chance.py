"""What chance alone gives, against exact values and simulation."""

import numpy as np
import pytest
from scipy.stats import binomtest

from lifecycle.monitor.inputs.chance import chance_of, holm, intraclass, tails


def test_a_tail_of_independent_rows_is_the_exact_binomial_one() -> None:
    p_value = tails(np.array(0.07), np.array(0.02), np.array(100.0))
    assert p_value == pytest.approx(2 * binomtest(7, 100, 0.02, alternative="greater").pvalue)
    below = tails(np.array(0.30), np.array(0.50), np.array(50.0))
    assert below == pytest.approx(2 * binomtest(15, 50, 0.5, alternative="less").pvalue)


def test_fewer_effective_rows_make_the_same_difference_less_certain() -> None:
    many, few = (tails(np.array(0.08), np.array(0.05), np.array(size)) for size in (10_000.0, 100.0))
    assert many < 1e-20
    assert few > 0.1


def test_chance_of_gives_the_difference_that_has_just_that_level() -> None:
    chance = chance_of(0.1, 2000.0, 1e-6)
    assert tails(np.array(0.1 + chance), np.array(0.1), np.array(2000.0)) == pytest.approx(1e-6, rel=1e-3)


def test_holm_steps_down_and_counts_the_tests_that_are_not_given() -> None:
    p_values = np.array([0.03, 0.001, 0.012])
    assert holm(p_values, 0.05, 4).tolist() == [False, True, True]
    assert holm(p_values, 0.05, 100).tolist() == [False, False, False]


def test_rows_that_always_agree_are_one_and_independent_ones_are_none() -> None:
    rng = np.random.default_rng(3)
    pairs = 200_000
    one, other = rng.integers(2, size=(2, pairs))
    agree_C = np.array([((one == cell) & (other == cell)).sum() * 2 for cell in range(2)])
    apart_C = np.full(2, (one != other).sum())
    assert intraclass(agree_C, apart_C, 2 * pairs) == pytest.approx([0, 0], abs=0.01)
    assert intraclass(np.array([60, 140]), np.zeros(2), 200).tolist() == [1, 1]
