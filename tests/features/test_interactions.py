"""Columns that tell something only together are found; noise is not, whatever its shape."""

import numpy as np
import pytest

from contracts.columns import Column
from stages.features.config import SelectionConfig
from stages.features.interactions import MAX_GROUPS, dealt, grouped, needed_z, partners
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
    assert partners(["noise"], ["site", "noise"], ids, label, 50, np.random.default_rng(0)).get("noise", ("", 0.0))[1] < 5


def test_dealing_agrees_with_shuffling_within_the_partner():
    rng = np.random.default_rng(4)
    given, column = rng.integers(0, 3, 3_000), rng.integers(0, 4, 3_000)
    label = (rng.random(3_000) < 0.1 + 0.1 * ((given + column) % 2)).astype(np.int8)

    def cells(label_N):
        counts = np.histogram2d(given, column, bins=(3, 4))[0].astype(np.int64)
        clicks = np.histogram2d(given, column, bins=(3, 4), weights=label_N)[0].astype(np.int64)
        return counts, clicks

    def loss(label_N):
        counts, clicks = cells(label_N)
        p = clicks / counts
        return -(counts * (p * np.log(p) + (1 - p) * np.log(1 - p))).sum()

    shuffled = []
    for _ in range(400):
        mixed = label.copy()
        for value in range(3):
            mixed[given == value] = rng.permutation(mixed[given == value])
        shuffled.append(loss(mixed))
    expected = (np.mean(shuffled) - loss(label)) / np.std(shuffled)
    assert dealt(*cells(label), 400, rng) == pytest.approx(expected, rel=0.15)


def test_groups_are_the_most_frequent_ids_and_the_rest():
    ids = np.repeat(np.arange(40), np.arange(40, 0, -1))
    groups = grouped(ids)
    assert len(np.unique(groups)) == MAX_GROUPS
    assert [len(np.unique(ids[groups == group])) for group in range(MAX_GROUPS)] == [1] * (MAX_GROUPS - 1) + [25]


def test_more_pairs_need_more():
    assert needed_z(3.0, 1) == 3.0 < needed_z(3.0, 20) < needed_z(3.0, 40_000) < 8
