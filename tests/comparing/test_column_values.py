"""The scan over values of columns: found where one value is off, silent where all are, and bounded."""

import numpy as np
import polars as pl
import pytest

from stages.comparing import values as values_module
from stages.comparing.values import ValueSums


def scanned(rows: pl.DataFrame, before_N: np.ndarray, now_N: np.ndarray, columns: tuple[str, ...]) -> ValueSums:
    sums = ValueSums(columns)
    for start in range(0, len(rows), 700):
        part = slice(start, start + 700)
        gap_N = np.full(len(before_N[part]), 0.5)
        sums.add(rows[part], np.zeros(len(before_N[part])), before_N[part], now_N[part], gap_N, p_click_N=gap_N * 0)
    return sums


def world() -> tuple[pl.DataFrame, np.ndarray]:
    rng = np.random.default_rng(1)
    rows = pl.DataFrame({"site": rng.integers(0, 20, 5000), "device": rng.integers(0, 3, 5000)})
    return rows, rng.exponential(0.3, 5000)


def test_a_value_that_is_off_is_named_with_its_excess():
    rows, before_N = world()
    is_off = rows["site"].to_numpy() == 7
    now_N = before_N * np.where(is_off, 1.5, 1.0)
    sums = scanned(rows, before_N, now_N, ("site", "device"))
    relative = now_N.sum() / before_N.sum() - 1
    worst = sums.worst(relative, least=0.02)
    assert [(one["column"], one["value"], one["rows"]) for one in worst] == [("site", "7", int(is_off.sum()))]
    assert round(worst[0]["relative"], 6) == 0.5 and worst[0]["mean_difference"] == 0.5
    excess = (now_N - before_N - relative * before_N)[is_off]
    assert worst[0]["z"] == round(excess.sum() / np.sqrt(((excess - excess.mean()) ** 2).sum()), 3)


def test_nothing_is_named_where_all_rows_are_alike_or_worse_alike():
    rows, before_N = world()
    noise = np.random.default_rng(2).normal(0, 0.1, len(before_N))
    assert scanned(rows, before_N, before_N + noise, ("site", "device")).worst(noise.sum() / before_N.sum(), 0.02) == []
    assert scanned(rows, before_N, 2 * before_N, ("site", "device")).worst(1.0, 0.02) == []


@pytest.mark.parametrize("is_told", [True, False])
def test_values_with_hardly_a_click_are_not_named_where_both_models_are_equally_right(is_told):
    rng = np.random.default_rng(3)
    site_N = rng.integers(0, 4000, 160_000)  # some 40 rows, between one and two clicks each
    half_N = rng.choice([-0.3, 0.3], 4000)[site_N]  # how far off each is, either way
    truth = np.log(0.04 / 0.96)
    label_N = (rng.random(len(site_N)) < 0.04).astype(np.float64)
    before_N, now_N = (np.logaddexp(0, logit_N) - label_N * logit_N for logit_N in (truth - half_N, truth + half_N))
    sums, p_click_N = ValueSums(("site",)), np.full(len(site_N), 0.04 if is_told else 0.0)
    sums.add(pl.DataFrame({"site": site_N}), label_N, before_N, now_N, 2 * half_N, p_click_N)
    assert (sums.worst(now_N.sum() / before_N.sum() - 1, 0.02) == []) is is_told  # rows alone would name some


def test_a_column_with_too_many_values_is_left_out_and_said(monkeypatch):
    monkeypatch.setattr(values_module, "MOST_VALUES", 10)
    rows, before_N = world()
    sums = scanned(rows, before_N, before_N, ("site", "device"))
    assert sums.left_out == ["site"]
