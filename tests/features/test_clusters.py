"""Design effects and the deviation of days, held against formulas and simulated repetitions."""

import numpy as np
import polars as pl
import pytest

from stages.features.clusters import Clusters, day_deviation, design_effect


def test_rows_without_a_user_are_users_of_their_own():
    clusters = Clusters.of(pl.Series(["b", None, "a", "b", None]))
    assert sorted(clusters.sizes_U.tolist()) == [1, 1, 1, 2] and clusters.of_row_N[0] == clusters.of_row_N[3]
    assert clusters.effective == pytest.approx(25 / 7)
    assert Clusters.of(pl.Series([None, None], dtype=pl.String)).sizes_U.tolist() == [1, 1]


def test_users_who_never_change_multiply_the_variance_by_their_rows():
    users = np.repeat(np.arange(2000), 10)
    ids = np.random.default_rng(0).integers(0, 2, 2000)[users]
    found = design_effect(ids, 2, Clusters.numbered(users))
    assert found == pytest.approx(10, rel=0.01)


def test_rows_drawn_alone_have_no_effect():
    rng = np.random.default_rng(1)
    found = design_effect(rng.integers(0, 5, 50_000), 5, Clusters.numbered(rng.integers(0, 3000, 50_000)))
    assert found == pytest.approx(1, abs=0.08)


def test_effect_is_what_repetitions_show():
    rng, shares, effects = np.random.default_rng(2), [], []
    for _ in range(300):
        sizes = rng.geometric(0.1, 400)
        users = np.repeat(np.arange(400), sizes)
        likes = rng.beta(1, 3, 400)
        ids = (rng.random(len(users)) < likes[users]).astype(np.int64)
        shares.append(ids.mean())
        effects.append(design_effect(ids, 2, Clusters.numbered(users)) * 0.25 * 0.75 / len(users))
    assert np.mean(effects) == pytest.approx(np.var(shares), rel=0.2)


def test_one_user_or_one_value_says_nothing():
    assert design_effect(np.array([0, 1]), 2, Clusters.numbered(np.zeros(2, dtype=np.int64))) is None
    assert design_effect(np.array([1, 1]), 2, Clusters.numbered(np.arange(2))) is None


@pytest.mark.parametrize("true", [0.0, 0.03])
def test_days_differ_beyond_their_users_or_they_do_not(true):
    rng, found = np.random.default_rng(3), []
    for _ in range(60):
        days = np.repeat(np.arange(28), 2000)
        users = days * 300 + rng.integers(0, 300, len(days))  # a user's rows of a day are all alike
        share = 0.5 + true * rng.standard_normal(28)
        ids = (rng.random(28 * 300) < np.repeat(share, 300))[users].astype(np.int64)
        in_day = Clusters.numbered(users).within(Clusters.numbered(days))
        found.append(day_deviation(ids, Clusters.numbered(days), in_day) ** 2)
    # the estimate is cut at 0, so that without a difference its mean is small, not 0
    assert np.mean(found) == pytest.approx(true**2, abs=3e-4)


def test_deviation_needs_two_days_and_two_values():
    days = Clusters.numbered(np.repeat(np.arange(2), 5))
    alone = Clusters.numbered(np.arange(10))
    assert day_deviation(np.array([1] * 10), days, alone) == 0.0
    assert day_deviation(np.array([1, 0] * 5), Clusters.numbered(np.zeros(10, dtype=np.int64)), alone) is None
    assert day_deviation(np.repeat([0, 1], 5), days, alone) == pytest.approx(0.5)  # a weekday: each day another value
