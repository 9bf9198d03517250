"""Sums over clusters at every look are those that are summed anew for each, and errors are those of many draws."""

import numpy as np
import pytest

from lifecycle.rollout.statistics.cells import CellRows, counted, product_name, summed, variance
from lifecycle.rollout.statistics.figures import estimated, excess_loss
from lifecycle.rollout.statistics.mixture import PASSING, SCALES, bound, log_mixture
from lifecycle.rollout.statistics.running import ClusterSums, Entered
from lifecycle.rollout.statistics.sums import CANARY, looked_at
from tests.lifecycle.rollout.statistics.simulated_pairs import settings, simulated


def test_products_over_clusters_at_every_look():
    rng, number, looks = np.random.default_rng(1), 500, 7
    cluster, x, y = rng.integers(0, 40, number), rng.normal(size=number), rng.normal(size=number)
    look = np.sort(rng.integers(0, looks, number))
    clusters = ClusterSums(cluster, Entered(look_N=look, num_looks=looks))
    found = clusters.products(clusters.sorted(x), clusters.sorted(y))
    for at in range(looks):
        here = look <= at
        by = [(x[here & (cluster == c)].sum(), y[here & (cluster == c)].sum()) for c in range(40)]
        assert found[at] == pytest.approx(sum(a * b for a, b in by))


def test_units_and_clicks_are_counted_once_in_each_arm():
    rows = CellRows(
        is_challenger_N=np.array([False, False, True, True]),
        weight_N=np.ones(4),
        user_N=np.array([1, 1, 2, 3]),
        unit_N=np.array([5, 5, 6, 7]),
        clicked_N=np.array([1.0, 0, 1, 1]),
        creative_N=None,
    )
    found = counted(rows, Entered(look_N=np.array([0, 1, 1, 2]), num_looks=3))
    assert {name: value.tolist() for name, value in found.items()} == {
        "champion/rows": [1, 2, 2], "champion/units": [1, 1, 1], "champion/clicks": [1, 1, 1],
        "challenger/rows": [0, 1, 2], "challenger/units": [0, 1, 2], "challenger/clicks": [0, 1, 2],
    }  # fmt: skip


def test_the_variance_is_the_larger_of_users_and_creatives():
    x = {"h": np.array([1.0, -1, 2, -2]), "c": np.zeros(4), "w": np.ones(4)}
    rows = CellRows(
        is_challenger_N=np.array([True, True, False, False]),
        weight_N=np.ones(4),
        user_N=np.array([0, 1, 2, 3]),
        unit_N=np.array([0, 1, 2, 3]),
        clicked_N=np.zeros(4),
        creative_N=np.array([0, 1, 0, 1]),
    )
    table = summed(rows, Entered(look_N=np.zeros(4, dtype=np.int64), num_looks=1), x)
    assert table[product_name("creatives", ("challenger", "h"), ("champion", "h"))].tolist() == [1 * 2 + -1 * -2]
    gradient = {(arm, "h"): np.ones(1) for arm in ("challenger", "champion")}
    by_users, by_creatives = (1 + 1 + 4 + 4) * 4 / 3, (3**2 + 3**2) * 2 / 1
    assert variance(table, gradient)[0] == pytest.approx(max(by_users, by_creatives))


def test_errors_are_those_of_many_draws():
    config, drawn, errors = settings(), [], []

    for seed in range(60):
        looked = looked_at(simulated(seed, days=2, pages=500), frozenset(), config)
        found = estimated(looked.tables[CANARY], excess_loss(0.0), "both")
        drawn.append(found.value[-1])
        errors.append(found.error[-1])
    assert np.std(drawn) == pytest.approx(np.median(errors), rel=0.35)


@pytest.mark.parametrize("scales", [SCALES, PASSING])
def test_a_bound_is_where_the_mixture_reaches_one_by_alpha(scales):
    v = np.array([0.01, 1.0, 100.0, 1e6])
    for alpha in (0.001, 0.05):
        assert log_mixture(bound(alpha, v, scales), v, scales) == pytest.approx(-np.log(alpha))
    assert np.isinf(bound(0.05, np.array([0.0]), scales)[0])


def test_what_is_of_the_usual_size_passes_sooner_than_what_is_broken_of_that_size_fails():
    v = np.array([5.0, 50.0, 1000.0])
    assert (bound(0.001, v, PASSING) < bound(0.001, v) - 0.1).all()


def test_the_mixture_is_the_integral_over_effects():
    """Of likelihood ratios of a normal estimate, over half-normal effects of three scales, by numeric integration."""
    for x, v in ((3.0, 0.5), (-1.0, 4.0), (6.0, 0.01)):
        found = []
        for scale in SCALES:
            width = 12 * (scale * np.sqrt(v) + 1) / 400_000
            effect = (np.arange(400_000) + 0.5) * width
            ratio = np.exp(effect * x - effect**2 / 2)
            density = 2 / np.sqrt(2 * np.pi * v * scale**2) * np.exp(-(effect**2) / (2 * v * scale**2))
            found.append((ratio * density).sum() * width)
        assert log_mixture(np.array([x]), np.array([v]))[0] == pytest.approx(np.log(np.mean(found)), abs=1e-6)


def test_what_is_broken_is_found_while_there_are_few_rows():
    """The challenger's error is a tenth of the champion's log-loss, and it is twice as bad: ten standard errors."""
    few = (0.01 / 0.1) ** 2  # effect by standard error, squared
    assert bound(0.001, np.array([few]))[0] < 10
    assert bound(0.001, np.array([100.0]))[0] < np.sqrt(2 * (np.log(1000) + np.log(3) + 0.5 * np.log1p(100.0)))


def test_products_of_two_groups_are_not_kept():
    rows = CellRows(
        is_challenger_N=np.array([True, False]),
        weight_N=np.ones(2),
        user_N=np.array([0, 1]),
        unit_N=np.array([0, 1]),
        clicked_N=np.zeros(2),
        creative_N=None,
    )
    variables, entered = {name: np.ones(2) for name in "whq"}, Entered(look_N=np.zeros(2, dtype=np.int64), num_looks=1)
    kept = summed(rows, entered, variables, [("w", "h"), ("q",)])
    assert product_name("users", ("champion", "w"), ("challenger", "h")) in kept
    assert product_name("users", ("champion", "w"), ("champion", "q")) not in kept
    assert {name: kept[name].tolist() for name in kept} == {
        name: value.tolist() for name, value in summed(rows, entered, variables).items() if name in kept
    }


@pytest.mark.parametrize(("scales", "eta"), [(SCALES, 0.14), (PASSING, 1.0)])  # of a step's standard deviation
def test_a_walk_without_drift_is_seldom_excluded_at_any_look(scales, eta):
    rng, excluded, runs, alpha = np.random.default_rng(7), 0, 600, 0.05
    steps = np.arange(1, 201)
    for _ in range(runs):
        walk = np.cumsum(rng.normal(size=200))
        excluded += bool((log_mixture(walk / np.sqrt(steps), eta**2 * steps, scales) >= -np.log(alpha)).any())
    assert 0.2 * alpha * runs < excluded <= alpha * runs  # it holds, and is not empty
