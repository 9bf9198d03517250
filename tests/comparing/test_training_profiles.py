"""Distances of training profiles, other units, swapped columns, and rows that are missing, by hand."""

import numpy as np
import pytest
from pydantic import TypeAdapter

from stages.comparing.config import CompareConfig
from stages.comparing.findings import training_findings
from stages.comparing.training import compare_profiles, distance, training_facts, unit_factor
from tests.comparing.compared_world import params_of


def numeric(values: np.ndarray, num_buckets: int = 20) -> dict:
    edges = np.unique(np.quantile(values, np.arange(1, num_buckets) / num_buckets))
    shares = np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1) / len(values)
    return {"kind": "numeric", "edges": edges.tolist(), "shares": shares.tolist(), "unknown": 0.0, "missing": 0.0}


def strings(**shares: float) -> dict:
    return {"kind": "categorical", "shares": shares, "other": 0.0, "unknown": 0.0, "missing": 1 - sum(shares.values())}


PRICE = np.random.default_rng(0).lognormal(0, 1, 4000)


def test_the_distance_of_strings_is_the_share_that_would_have_to_move():
    assert distance(strings(a=0.5, b=0.3), strings(a=0.2, c=0.6)) == pytest.approx(1 - 0.2 - 0.2)
    assert distance(strings(a=1.0), strings(a=1.0)) == 0.0


def test_the_distance_of_numbers_is_the_largest_gap_below_a_number():
    one, other = np.linspace(0, 1, 4001), np.linspace(0.25, 1.25, 4001)
    assert distance(numeric(one), numeric(other)) == pytest.approx(0.25, abs=0.03)
    assert distance(numeric(one), numeric(one)) == 0.0
    assert distance(numeric(one), strings(a=1.0)) is None


@pytest.mark.parametrize("factor", [100.0, 0.001, 1.8])
def test_another_unit_is_told_with_its_factor(factor):
    assert unit_factor(numeric(PRICE), numeric(PRICE * factor)) == pytest.approx(factor, rel=0.02)


@pytest.mark.parametrize("now", [PRICE * 1.2, PRICE**2, PRICE + 3, -PRICE], ids=["drift", "squared", "offset", "negative"])
def test_what_is_no_other_unit_has_no_factor(now):
    assert unit_factor(numeric(PRICE), numeric(now)) is None


def test_ages_in_a_world_that_gets_older_are_in_the_same_unit():
    share_N, younger_N = np.linspace(0, 1, len(PRICE)), np.sort(PRICE)
    older_N = younger_N * np.where((share_N > 0.17) & (share_N < 0.87), 1.9, 1.5)  # few are new, and few older than anything was
    assert unit_factor(numeric(younger_N), numeric(older_N)) is None


def test_swapped_columns_are_told_from_moved_ones():
    before = {"site": strings(a=0.6, b=0.4), "region": strings(x=0.3, y=0.7), "os": strings(p=1.0)}
    swapped = {"site": before["region"], "region": before["site"], "os": strings(q=1.0)}
    found = compare_profiles(before, swapped)
    assert found["swapped"] == [["region", "site"]] and found["distances"] == {"os": 1.0, "region": 1.0, "site": 1.0}
    assert compare_profiles(before, before)["swapped"] == []


def facts(rows: int = 1000, last: str = "2026-03-31", test: str = "2026-04-01", click_rate: float = 0.04) -> dict:
    splits = {"train": {"rows": rows, "from": "2026-02-01", "to": last}, "val": {"to": None}, "test": {"from": test}}
    return training_facts(splits, {"rows": rows, "click_rate": click_rate})


CHAMPION = facts(last="2026-02-28", test="2026-03-01")
CFG = TypeAdapter(CompareConfig).validate_python(params_of([])["compare"])


@pytest.mark.parametrize(
    ("now", "kinds", "words"),
    [
        (facts(), [], ""),
        (facts(rows=600), ["rows"], "600 rows, 60% of the champion's"),
        (facts(last="2025-02-28", test="2026-03-01"), ["months"], "end on 2025-02-28"),
        (facts(last="2026-03-20"), ["months"], "there are 12 days between"),
        (facts(click_rate=0.07), ["click_rate"], "7.00% are clicked"),
    ],
)
def test_training_rows_that_are_missing_are_named(now, kinds, words):
    found = training_findings(CHAMPION, now, CFG)
    assert [one["kind"] for one in found] == kinds and words in "".join(one["text"] for one in found)
