"""Variable selection: what is dropped, why, and what must stay."""

import numpy as np
import pytest

from contracts.dataset.columns import Column
from stages.features.config import SelectionConfig
from stages.features.selection import information, same_partition, select

N = 20_000


def config(**changes) -> SelectionConfig:
    defaults = {"min_z": 3, "min_columns": 1, "max_missing_frac": 0.9, "max_explained": 0.5, "num_shuffles": 50}
    return SelectionConfig(**(defaults | changes))


def world() -> tuple[dict[str, np.ndarray], np.ndarray]:
    rng = np.random.default_rng(7)
    site = rng.integers(2, 12, N)
    label = (rng.random(N) < 0.02 + 0.02 * (site - 2)).astype(np.int8)
    ids = {
        "site": site,
        "site_name": (site * 7) % 11 + 2,  # the same under other ids
        "constant": np.full(N, 2),
        "noise": rng.integers(2, 40, N),
        "leak": np.where(rng.random(N) < 0.99, label, 1 - label) + 2,
        "absent": np.where(np.arange(N) % 20 > 0, 1, site),
    }
    return ids, label


def reasons(chosen: SelectionConfig, keep: tuple[str, ...] = (), seed: int = 0) -> dict[str, tuple[bool, str]]:
    ids, label = world()
    columns = tuple(Column(name=name, role="categorical", dtype="string", keep=name in keep) for name in ids)
    missing = {name: float((values == 1).mean()) for name, values in ids.items()}
    return {s.name: (s.kept, s.reason) for s in select(columns, ids, missing, label, chosen, seed)}


def test_selection_drops_what_says_nothing_and_gives_the_reason():
    found = reasons(config())
    assert found["site"][0] and found["site"][1].startswith("beyond chance (z ")
    assert found["site_name"] == (False, "says the same as 'site', row by row")
    assert found["constant"] == (False, "fewer than two values that occur features.min_count times on the training split")
    assert not found["noise"][0] and found["noise"][1].startswith("not beyond chance (z ")
    assert not found["leak"][0] and "known only after the click? if it is known before, declare keep: true" in found["leak"][1]
    assert found["absent"] == (False, "missing in 95.0% of the rows, more than 90.0%")


def test_a_kept_column_stays_whatever_selection_thinks():
    names = ("site_name", "constant", "noise", "leak", "absent")
    found = reasons(config(), keep=names)
    assert {found[name] for name in names} == {(True, "the declaration says keep")}


def test_leaks_and_copies_do_not_use_up_the_columns_that_must_stay():
    found = reasons(config(min_columns=2, min_z=1e6))
    assert [name for name, (kept, _) in found.items() if kept] == ["site", "noise"]
    assert found["noise"][1].endswith("but among the 2 best")


def test_selection_that_leaves_nothing_says_what_to_do():
    columns = (Column(name="c", role="categorical", dtype="string"),)
    label = np.array([0, 1] * 10)
    with pytest.raises(ValueError, match=r"leaves no column \('c': fewer than two values .*lower features.min_count"):
        select(columns, {"c": np.zeros(20, dtype=int)}, {"c": 0.0}, label, config(), 0)


def test_selection_follows_its_seed():
    assert reasons(config(), seed=0) == reasons(config(), seed=0)


def test_information_by_hand():
    # Two values that tell the label wholly: the label's entropy, all of it; less what shuffled labels give.
    ids, label = np.repeat([2, 3], 50), np.repeat([0, 1], 50)
    score, z = information(ids, label, 200, np.random.default_rng(0))
    assert 0.95 < score <= 1.0 and z > 20
    score, _ = information(np.tile([2, 3], 50), label, 200, np.random.default_rng(0))
    assert abs(score) < 0.02
    assert information(np.full(100, 2), label, 20, np.random.default_rng(0)) == (0.0, 0.0)


def test_a_column_of_unique_values_is_not_taken_for_information():
    rng = np.random.default_rng(3)
    _, z = information(np.arange(5000), (rng.random(5000) < 0.1).astype(int), 50, rng)
    assert z < 3


def test_same_partition_needs_a_one_to_one_match_on_every_row():
    left = np.array([2, 3, 2, 4] * 600)
    assert same_partition(left, left * 10)
    other = left.copy()
    other[-1] = 3
    assert not same_partition(left, other)
    assert not same_partition(left, np.minimum(left, 3))
