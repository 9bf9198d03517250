"""Slices: every row in exactly one value, unknown names refused."""

import numpy as np
import polars as pl
import pytest

from contracts.dataset.columns import Column, check_slices, sliceable
from stages.evaluation.slices import (
    auto_slices,
    build_slice,
    cold_start_slice,
    quartile_slice,
    value_slice,
)

COLUMNS = (
    Column(name="row", role="key", dtype="int"),
    Column(name="device", role="categorical", dtype="string", nullable=True),
    Column(name="site", role="categorical", dtype="string"),
    Column(name="age", role="numeric", dtype="float", nullable=True),
    Column(name="creative", role="creative", dtype="string"),
    Column(name="clicked", role="label", dtype="int"),
)


def frame() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "row": range(12),
            "device": ["phone"] * 6 + ["tablet"] * 5 + [None],
            "site": [f"s{i}" for i in range(12)],
            "age": [float(i) for i in range(11)] + [None],
            "creative": ["a", "b", "c"] * 4,
            "clicked": [0] * 12,
        }
    )


def counts(one: object) -> dict[str, int]:
    return dict(zip(one.values, np.bincount(one.codes).tolist(), strict=True))


def test_values_are_counted_and_missing_is_a_value() -> None:
    assert counts(value_slice(frame()["device"], 10)) == {"phone": 6, "tablet": 5, "(missing)": 1}


def test_rare_values_beyond_the_limit_are_pooled() -> None:
    values = pl.Series("site", ["a"] * 5 + ["b"] * 4 + ["c", "d", "e"])
    assert counts(value_slice(values, 3)) == {"a": 5, "b": 4, "(3 other values)": 3}


def test_numbers_as_categories_ascend() -> None:
    assert value_slice(pl.Series("hour", [10, 9, 9, 2, 10, 10]), 10).values == ("2", "9", "10")


def test_quartiles_are_of_equal_size_and_missing_is_beside_them() -> None:
    one = quartile_slice(pl.Series("age", [float(i) for i in range(1, 13)] + [None, float("nan")]))
    assert counts(one) == {"≤ 3": 3, "3 to 6": 3, "6 to 9": 3, "> 9": 3, "(missing)": 2}


def test_quartiles_of_a_number_with_one_frequent_value_keep_it_together() -> None:
    assert counts(quartile_slice(pl.Series("n", [0.0] * 9 + [1.0, 2.0, 3.0]))) == {"≤ 0": 9, "> 0": 3}


def test_cold_start_separates_new_creatives_and_missing_ones() -> None:
    one = cold_start_slice(pl.Series(["a", "z", None, "b", "z"]), pl.Series(["a", "b", "b", None]))
    assert counts(one) == {"creative seen in training": 2, "creative new": 2, "(missing)": 1}


def test_a_numeric_column_becomes_quartiles_and_a_text_column_its_values() -> None:
    assert build_slice("age", frame(), COLUMNS, None, 10).values[-1] == "(missing)"
    assert build_slice("device", frame(), COLUMNS, None, 10).values == ("phone", "tablet", "(missing)")


def test_auto_takes_categorical_columns_with_few_values_and_cold_start() -> None:
    assert auto_slices(frame(), COLUMNS, 5) == ("device", "cold_start")
    assert auto_slices(frame(), COLUMNS[:4], 5) == ("device",)


def test_unknown_slice_is_refused_and_the_allowed_ones_are_named() -> None:
    with pytest.raises(
        ValueError,
        match=r"^evaluate.slices names 'devise', by which rows cannot be sliced; allowed: device, site, age, creative, cold",
    ):
        check_slices("evaluate.slices", ("device", "devise"), COLUMNS)


def test_cold_start_is_allowed_only_where_there_are_creatives() -> None:
    assert "cold_start" not in sliceable(COLUMNS[:4])
    with pytest.raises(ValueError, match="names 'cold_start', which needs a column with role creative; allowed: "):
        check_slices("evaluate.slices", ("cold_start",), COLUMNS[:4])


def test_a_column_that_is_called_cold_start_is_a_slice_like_others() -> None:
    own = Column(name="cold_start", role="categorical", dtype="string")
    rows = frame().with_columns(cold_start=pl.Series(["a", "b"] * frame().height).head(frame().height))
    for columns in ((*COLUMNS, own), (own,)):
        check_slices("evaluate.slices", ("cold_start",), columns)
        assert sliceable(columns).count("cold_start") == 1 and "cold_start" in auto_slices(rows, columns, 5)
        found = build_slice("cold_start", rows, columns, None, 5)
        assert {found.values[code] for code in found.codes} == {"a", "b"}
