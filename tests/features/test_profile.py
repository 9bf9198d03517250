"""The reference profile: shares that add up, and what moves without any change, by hand."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from contracts.dataset.declaration import Declaration
from stages.features.profile import FORMAT, TOP_VALUES, hour_shares, profile
from stages.features.vocabulary import Scale, Vocabulary, ids_of
from stages.settings import check_section

START = datetime(2024, 1, 1, tzinfo=UTC)
LABEL = {"name": "y", "role": "label", "dtype": "int"}
ROLES = {
    "u": {"name": "u", "role": "entity", "dtype": "string"},
    "t": {"name": "t", "role": "time", "dtype": "datetime"},
    "ad": {"name": "ad", "role": "creative", "dtype": "string"},
}


def declared(rows: pl.DataFrame) -> Declaration:
    columns = [ROLES.get(name, {"name": name, "role": "categorical", "dtype": "string"}) for name in rows.columns if name != "y"]
    values = {"name": "small", "source": {"kind": "files", "path": "in", "files": ["*.csv"]}, "columns": [*columns, LABEL]}
    return check_section("data", values | {"split": {"by": "random", "val_frac": 0.1, "test_frac": 0.1}}, Declaration)


def profiled(rows: pl.DataFrame, *parts: Vocabulary | Scale) -> dict:
    return profile(list(parts), {part.name: ids_of(part, rows[part.name]) for part in parts}, rows, declared(rows))


def vocabulary(rows: pl.DataFrame, name: str) -> Vocabulary:
    return Vocabulary(name=name, values=tuple(rows[name].drop_nulls().unique().sort()))


def test_profile_by_hand():
    rows = pl.DataFrame({"c": ["a", "a", "b", "z", None], "x": [1.0, 3, 5, None, 3], "y": [0, 1, 0, 0, 1]})
    scale = Scale(name="x", log=False, mean=0, std=1, edges=(2.0, 4.0), range=(0.0, 9.0), has_missing=True, max_sigma=8)
    found = profiled(rows, Vocabulary(name="c", values=("a", "b")), scale)
    assert found["rows"] == 5 and found["click_rate"] == pytest.approx(0.4) and found["format"] == FORMAT
    assert found["columns"]["c"] == {
        "kind": "categorical", "unknown": 0.2, "missing": 0.2, "shares": {"a": 0.4, "b": 0.2}, "other": 0.0,
        "design_effect": None, "by_creative": None, "day_sd": None, "head_share": 0.6, "new_rate": None,
    }  # fmt: skip
    assert found["columns"]["x"] == {
        "kind": "numeric", "unknown": 0.0, "missing": 0.2, "edges": [2.0, 4.0], "shares": [0.2, 0.4, 0.2],
        "design_effect": None, "by_creative": None, "day_sd": None, "head_share": None, "new_rate": None,
    }  # fmt: skip
    assert [found[name] for name in ("entities", "effective_entities", "hours", "images")] == [None] * 4


def test_rare_values_are_summed_up():
    values = tuple(f"v{i}" for i in range(TOP_VALUES + 30))
    rows = pl.DataFrame({"c": values, "y": np.zeros(len(values), dtype=int)})
    column = profiled(rows, Vocabulary(name="c", values=values))["columns"]["c"]
    assert len(column["shares"]) == TOP_VALUES
    assert column["other"] == pytest.approx(30 / len(values))
    assert column["head_share"] == pytest.approx(10 / len(values))


def test_users_and_hours_are_counted():
    rows = pl.DataFrame({"u": ["a", "a", "a", "b", None], "t": [START + timedelta(hours=h) for h in (0, 0, 5, 5, 29)]})
    rows = rows.with_columns(c=pl.Series(["x", "x", "x", "w", "w"]), y=pl.Series([0, 1, 0, 0, 0]))
    found = profiled(rows, vocabulary(rows, "c"))
    assert found["entities"] == 3 and found["effective_entities"] == pytest.approx(25 / 11, rel=1e-5)  # nobody knows whose
    assert (found["hours"][0], found["hours"][5], sum(found["hours"])) == (0.4, 0.6, pytest.approx(1))
    # p = 3/5; clusters (y, n) = (3, 3), (0, 1), (0, 1): ((3 - 1.8)^2 + 0.36 + 0.36) / (5 x 0.24) x 3/2
    assert found["columns"]["c"]["design_effect"] == pytest.approx(2.16 / 1.2 * 1.5, rel=1e-5)


def test_times_that_are_not_there_give_no_hours():
    assert hour_shares(pl.Series([None, None], dtype=pl.Datetime("us", "UTC"))) is None


def test_values_of_the_last_day_are_new_or_not():
    hours = [0, 10, 30, 31, 40, 50, 51, 52]
    rows = pl.DataFrame({"t": [START + timedelta(hours=h) for h in hours], "y": [0] * 8})
    rows = rows.with_columns(c=pl.Series(["a", "b", "a", "new", "a", "new", None, "b"]))
    found = profiled(rows, vocabulary(rows, "c"))
    assert found["columns"]["c"]["new_rate"] == pytest.approx(2 / 6)  # after hour 28


def test_columns_that_follow_from_the_creative_are_named():
    ads = [f"ad{i % 20}" for i in range(1000)]
    rows = pl.DataFrame({"ad": ads, "brand": [f"b{int(ad[2:]) // 4}" for ad in ads], "y": [0] * 1000})
    rows = rows.with_columns(nearly=pl.when(pl.int_range(1000) < 20).then(pl.lit("other")).otherwise("brand"))
    rows = rows.with_columns(own=pl.Series([f"v{i % 7}" for i in range(1000)]), same=pl.lit("EUR"))
    found = profiled(rows, *(vocabulary(rows, name) for name in ("ad", "brand", "nearly", "own", "same")))["columns"]
    assert {name: column["by_creative"] for name, column in found.items()} == {
        "ad": True, "brand": True, "nearly": False, "own": False, "same": False,
    }  # fmt: skip


def test_creatives_of_one_row_each_tell_nothing():
    rows = pl.DataFrame({"ad": [f"ad{i}" for i in range(100)], "c": ["a", "b"] * 50, "y": [0] * 100})
    assert profiled(rows, vocabulary(rows, "c"))["columns"]["c"]["by_creative"] is False
