"""The bootstrap of whole units over pieces: its weights, its sums, and the width of what it gives."""

import numpy as np
import pytest

from stages.comparing.resampling import ENOUGH, DrawnSums, PoissonWeights


def drawn_sums(
    unit_N: np.ndarray, group_SN: np.ndarray, measure_MN: np.ndarray, cuts: list[int], groups: int, **how
) -> DrawnSums:
    sums = DrawnSums(len(measure_MN), groups, PoissonWeights(how.get("resamples", 200), seed=how.get("seed", 1)), "users")
    for start, stop in zip([0, *cuts], [*cuts, len(unit_N)], strict=True):
        sums.add(unit_N[start:stop], group_SN[:, start:stop], measure_MN[:, start:stop])
    return sums


def test_weights_are_those_of_poisson_with_mean_one_and_independent():
    weights = PoissonWeights(400, seed=3).of(np.arange(5000, dtype=np.uint64)).astype(float)
    assert weights.mean() == pytest.approx(1, abs=0.003) and weights.var() == pytest.approx(1, abs=0.01)
    assert (weights == 0).mean() == pytest.approx(np.exp(-1), abs=0.002)
    between_replicates, between_units = np.corrcoef(weights[:, :40].T), np.corrcoef(weights[:40])
    for correlation in (between_replicates, between_units):
        assert np.abs(correlation - np.eye(40)).max() < 0.3 and abs((correlation - np.eye(40)).mean()) < 0.01


def test_weights_follow_from_seed_unit_and_replicate_alone():
    units = np.array([5, 9, 2**63 + 1], dtype=np.uint64)
    one, more = PoissonWeights(101, seed=3), PoissonWeights(400, seed=3)
    assert (one.of(units) == more.of(units[::-1])[::-1, :101]).all()
    assert (PoissonWeights(101, seed=4).of(units) != one.of(units)).any()


def test_sums_are_those_of_the_weighted_rows_however_the_rows_are_cut():
    rng = np.random.default_rng(1)
    unit_N = rng.integers(0, 60, 500).astype(np.uint64)
    group_SN = np.stack([np.zeros(500, dtype=np.int64), rng.integers(1, 4, 500)])
    measure_MN = rng.normal(size=(3, 500))
    weight_NR = PoissonWeights(200, seed=1).of(unit_N).astype(float)
    whole = drawn_sums(unit_N, group_SN, measure_MN, [], 4)
    for g in range(4):
        inside = (group_SN == g).any(axis=0)
        np.testing.assert_allclose(whole.drawn_MGR[:, g], measure_MN[:, inside] @ weight_NR[inside], atol=1e-9)
        np.testing.assert_allclose(whole.point_MG[:, g], measure_MN[:, inside].sum(axis=1), atol=1e-9)
        assert whole.num_units(g) == len(np.unique(unit_N[inside]))
    cut = drawn_sums(unit_N, group_SN, measure_MN, [1, 130, 499], 4)
    np.testing.assert_allclose(cut.drawn_MGR, whole.drawn_MGR, atol=1e-9)
    assert [cut.num_units(g) for g in range(4)] == [whole.num_units(g) for g in range(4)]


def test_a_sum_over_whole_units_spreads_as_the_units_do():
    rng = np.random.default_rng(2)
    of_unit = rng.normal(size=2000)
    unit_N = np.repeat(np.arange(2000), 5).astype(np.uint64)
    sums = drawn_sums(unit_N, np.zeros((1, 10_000), dtype=np.int64), of_unit[unit_N.astype(int)][None], [], 1, resamples=2000)
    expected = np.sqrt(((5 * of_unit) ** 2).sum())  # a Poisson weight has variance 1; rows taken as independent: sqrt(5) less
    assert sums.drawn_MGR[0, 0].std() == pytest.approx(expected, rel=0.06)


def test_units_are_counted_up_to_enough():
    unit_N = np.arange(3 * ENOUGH, dtype=np.uint64)
    sums = drawn_sums(unit_N, np.zeros((1, len(unit_N)), dtype=np.int64), np.ones((1, len(unit_N))), [700, 900], 1)
    assert sums.num_units(0) == ENOUGH
