"""Growth of a figure: estimate and interval by hand and by tables, and how often chance alone refuses."""

import numpy as np
import pytest

from lifecycle.gate.measuring.statistics import growth, means_left_out, means_of_two


@pytest.mark.parametrize(
    ("num_pairs", "error", "left_out"),
    [  # critical values of the signed-rank test, one-sided: Hollander, Wolfe and Chicken 2014, table A.4
        (4, 0.05, None),  # 1 in 16 is more than that
        (5, 0.05, 0),
        (8, 0.025, 3),
        (10, 0.025, 8),
        (15, 0.005, 15),
        (20, 0.025, 52),
    ],
)
def test_the_means_outside_of_the_interval_are_those_of_the_tables(num_pairs, error, left_out):
    assert means_left_out(num_pairs, error) == left_out


def test_the_means_of_two_are_those_by_hand():
    assert means_of_two(np.array([3.0, 1.0, 2.0])).tolist() == [1, 1.5, 2, 2, 2.5, 3]


def test_the_estimate_is_the_median_of_the_means_of_two():
    found = growth([[1.0, 1.21]], limit=0.5, error=0.5)  # of 1, 1.1 and 1.21 in logarithms
    assert found.value == pytest.approx(0.1)
    assert found.pairs == 2 and found.rounds == pytest.approx((0.1,))


def test_with_as_few_pairs_as_allow_one_the_interval_is_their_range():
    found = growth([[1.2, 1.05, 1.1, 1.3, 1.25]], limit=0.04, error=1 / 32)
    assert (found.low, found.high, found.state) == (pytest.approx(0.05), pytest.approx(0.3), "beyond")
    few = growth([[1.2, 1.05, 1.1, 1.3]], limit=0.04, error=1 / 32)
    assert (few.low, few.state, few.as_values()["high"]) == (-1, "open", None)


def test_pairs_that_were_disturbed_hardly_matter():
    pairs = np.exp(np.random.default_rng(1).normal(0.14, 0.03, 60))
    pairs[:8] *= [20, 9, 0.05, 30, 0.1, 12, 0.2, 6]
    found = growth([pairs], limit=0.05, error=0.003)
    assert found.value == pytest.approx(np.expm1(0.14), abs=0.02) and found.state == "beyond"


@pytest.mark.parametrize(
    ("ratios", "state"),
    [([[1.2] * 9, [1.2] * 9], "beyond"), ([[1.3] * 30, [1.01] * 9], "open"), ([[1.01] * 9, [1.01] * 9], "within")],
)
def test_a_figure_is_beyond_its_limit_only_if_every_round_is(ratios, state):
    varied = [np.array(some) * np.linspace(0.99, 1.01, len(some)) for some in ratios]
    assert growth(varied, limit=0.05, error=0.01).state == state


def test_chance_refuses_no_more_often_than_is_said_whatever_the_noise():
    """Noise of another program: heavy tails, minutes that are slow as a whole, the second of a pair slower than the first."""
    rng, error, times, refused = np.random.default_rng(0), 0.05, 2000, 0
    for _ in range(times):
        slots = np.exp(rng.standard_t(1.5, size=(40, 2)) * 0.1 + np.repeat(rng.normal(0, 0.5, 4), 10)[:, None] + [0, 0.2])
        is_first = rng.random(40) < 0.5
        ratios = np.where(is_first, slots[:, 0] / slots[:, 1], slots[:, 1] / slots[:, 0])
        refused += growth([ratios], limit=0.0, error=error).low > 0
    assert refused / times <= error + 3 * np.sqrt(error * (1 - error) / times)
    assert refused / times > error / 3  # or it would never refuse
