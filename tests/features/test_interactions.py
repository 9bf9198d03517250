"""Columns that tell something only together are found; noise is not, whatever its shape."""

import numpy as np
import pytest

from contracts.dataset.columns import Column
from stages.features.config import SelectionConfig
from stages.features.interactions import MAX_GROUPS, _cells, grouped, needed_z, partners, standing_out
from stages.features.selection import Score, select

CONFIG = SelectionConfig(min_z=3, min_columns=1, max_missing_frac=0.9, max_explained=0.5, num_shuffles=50)


def found(ids: dict[str, np.ndarray], label: np.ndarray, seed: int = 0) -> dict[str, Score]:
    columns = tuple(Column(name=name, role="categorical", dtype="string") for name in ids)
    scores = select(columns, ids, dict.fromkeys(ids, 0.0), label, CONFIG, seed)
    return {score.name: score for score in scores}


@pytest.mark.parametrize("base", [0.01, 0.2])
def test_two_columns_that_tell_only_together_are_kept(base):
    rng = np.random.default_rng(1)
    a, b, plain, noise = (rng.integers(2, 8, 30_000) for _ in range(4))
    p = base * (0.4 + 1.6 * ((a + b) % 2)) * (0.5 + plain / 8)
    scores = found({"plain": plain, "noise": noise, "a": a, "b": b}, (rng.random(30_000) < p).astype(np.int8))
    assert {name: score.kept for name, score in scores.items()} == {"plain": True, "noise": False, "a": True, "b": True}
    assert scores["a"].reason.startswith("not beyond chance alone (z ") and "but with 'b' (z " in scores["a"].reason
    assert scores["noise"].reason.endswith("nor with any other column")


@pytest.mark.parametrize("click_rate", [0.002, 0.3])
def test_noise_of_many_columns_and_few_clicks_is_dropped(click_rate):
    rng = np.random.default_rng(2)
    ids = {f"noise{i}": (rng.pareto(0.7, 20_000) * 3).astype(np.int64) % 500 for i in range(25)}
    plain = rng.integers(0, 4, 20_000)
    label = (rng.random(20_000) < click_rate * (0.4 + 0.4 * plain)).astype(np.int8)
    scores = found({"plain": plain, **ids}, label)
    assert sum(score.kept for score in scores.values()) <= 2  # a z of 3 alone is met by chance now and then
    assert not any("but with" in score.reason for score in scores.values())


def test_a_copy_of_what_another_column_says_is_not_an_interaction():
    rng = np.random.default_rng(3)
    site = rng.integers(0, 12, 40_000)
    label = (rng.random(40_000) < 0.02 + 0.02 * site).astype(np.int8)
    ids = {"site": site, "noise": rng.integers(0, 5, 40_000)}
    assert partners(["noise"], ["site", "noise"], ids, label, np.random.default_rng(0)).get("noise", ("", 0.0))[1] < 4


@pytest.mark.parametrize(("levels", "click_rate"), [(2, 0.3), (2, 0.005), (5, 0.02)])
def test_the_z_of_noise_is_that_of_a_normal(levels, click_rate):
    """The share of noise above a quantile, where a chi-squared taken for a normal would have three times as much."""
    rng = np.random.default_rng(levels)
    zs = []
    for _ in range(600):
        given, column = rng.integers(0, levels, 2_000), rng.integers(0, levels, 2_000)
        label = (rng.random(2_000) < click_rate).astype(np.int64)
        zs.append(standing_out(*_cells(given, column, label), 100, rng))
    assert np.mean(np.array(zs) > 1.645) == pytest.approx(0.05, abs=0.025)
    assert np.mean(np.array(zs) > 3.0) <= 0.006


def test_a_pair_whose_cells_have_hardly_a_click_is_found():
    rng = np.random.default_rng(6)
    a, b = (np.minimum(rng.zipf(1.6, 100_000) - 1, 15) for _ in range(2))
    label = (rng.random(100_000) < 0.002 * (0.3 + 1.4 * ((a + b) % 2))).astype(np.int64)
    found = partners(["a"], ["a", "b"], {"a": a, "b": b}, label, rng)
    assert found["a"][0] == "b" and found["a"][1] > needed_z(3.0, 100)


@pytest.mark.parametrize("seed", range(4))
def test_many_columns_of_noise_do_not_make_pairs(seed):
    rng = np.random.default_rng([7, seed])
    ids = {f"noise{i}": rng.integers(0, 2, 10_000) for i in range(60)}
    label = (rng.random(10_000) < 0.1).astype(np.int64)
    found = partners(list(ids), list(ids), ids, label, rng)
    assert not [name for name, (_, z) in found.items() if z >= needed_z(3.0, 60 * 59)]


def test_a_column_kept_for_its_partner_keeps_the_partner():
    rng = np.random.default_rng(8)
    for effect in (0.08, 0.1, 0.12):
        a, b = rng.integers(0, 2, 20_000), rng.integers(0, 16, 20_000)
        label = (rng.random(20_000) < 0.1 * (1 + effect * (2 * ((a + b) % 2) - 1) * 3)).astype(np.int8)
        scores = found({"plain": rng.integers(0, 3, 20_000), "a": a, "b": b}, label)
        assert scores["a"].kept == scores["b"].kept


def test_groups_are_the_most_frequent_ids_and_the_rest():
    ids = np.repeat(np.arange(40), np.arange(40, 0, -1))
    groups = grouped(ids)
    assert len(np.unique(groups)) == MAX_GROUPS
    assert [len(np.unique(ids[groups == group])) for group in range(MAX_GROUPS)] == [1] * (MAX_GROUPS - 1) + [25]


def test_more_pairs_need_more():
    assert needed_z(3.0, 1) == pytest.approx(3.0)
    assert 3.0 < needed_z(3.0, 20) < needed_z(3.0, 40_000) < 8
    assert needed_z(1e6, 20) == 1e6 and needed_z(0.0, 1) == 0.0
