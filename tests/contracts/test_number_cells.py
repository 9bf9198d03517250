"""Columns of cells mean what the reader of one text says, whatever type the column has."""

import math

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.tables.number_cells import floating, truth, whole, why_not_whole
from contracts.tables.spellings import WHITE, Misspelt, TooLarge, meanings, number, whole_number
from contracts.tables.spellings import truth as one_truth
from tests.contracts.number_texts import TEXTS

COLUMNS = st.lists(TEXTS, min_size=1, max_size=30)


def read(expression, cells: pl.Series, **how) -> list:
    return cells.to_frame("x").select(expression(pl.col("x"), cells.dtype, **how)).to_series().to_list()


def stripped(texts: list[str]) -> pl.Series:
    return pl.Series("x", texts).str.strip_chars()


@settings(deadline=None)
@given(COLUMNS)
def test_whole_numbers_of_a_column_are_those_of_its_texts(texts):
    one_by_one = meanings(whole_number, texts)
    assert read(whole, stripped(texts), exactly=True) == [one_by_one.get(text) for text in texts]


@settings(deadline=None)
@given(COLUMNS)
def test_numbers_of_a_column_are_those_of_its_texts_to_the_last_bit(texts):
    one_by_one = meanings(number, texts)
    found = read(floating, stripped(texts))
    assert [repr(value) for value in found] == [repr(one_by_one.get(text)) for text in texts]


@settings(deadline=None)
@given(COLUMNS)
def test_truth_values_of_a_column_are_those_of_its_texts(texts):
    one_by_one = meanings(one_truth, texts)
    assert read(truth, pl.Series("x", texts)) == [one_by_one.get(text) for text in texts]


@settings(deadline=None)
@given(COLUMNS)
def test_a_text_that_is_no_whole_number_is_told_from_one_that_is_too_large(texts):
    expected = []
    for text in texts:
        try:
            whole_number(text)
        except TooLarge:
            expected.append((text, "int64"))
        except Misspelt:
            expected.append((text, "dtype"))
    unread = pl.Series("x", [text for text, _ in expected], dtype=pl.String)
    assert why_not_whole(unread.str.strip_chars(), exactly=True).to_list() == [rule for _, rule in expected]


def test_spaces_are_those_that_polars_strips():
    every = pl.Series([chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000])
    assert "".join(every.filter(every.str.strip_chars() == "")) == WHITE


BIG = 2**53
FLOATS = [
    (pl.Float64, BIG - 1, BIG - 1), (pl.Float64, BIG, "exact"), (pl.Float64, -BIG, "exact"), (pl.Float64, 1e19, "exact"),
    (pl.Float32, 2**24 - 1, 2**24 - 1), (pl.Float32, 2**24, "exact"),
    (pl.Float16, 2**11 - 1, 2**11 - 1), (pl.Float16, 2**11, "exact"),
    (pl.Float64, 2.5, "dtype"), (pl.Float64, math.inf, "finite"), (pl.Float64, -0.0, 0),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "value", "expected"), FLOATS)
def test_a_float_is_a_whole_number_where_no_other_one_is_as_near(kind, value, expected):
    cells = pl.Series("x", [value], dtype=kind)
    (found,) = read(whole, cells, exactly=True)
    assert (why_not_whole(cells, exactly=True)[0] if found is None else found) == expected


@pytest.mark.parametrize(("value", "expected"), [(float(BIG), BIG), (9.2e18, 9_200_000_000_000_000_000), (1e19, "int64")])
def test_a_float_that_counts_something_is_as_large_as_int64(value, expected):
    cells = pl.Series("x", [value])
    (found,) = read(whole, cells, exactly=False)
    assert (why_not_whole(cells, exactly=False)[0] if found is None else found) == expected


@pytest.mark.parametrize(("dtype", "largest"), [(pl.UInt64, 2**64 - 1), (pl.Int128, 2**100), (pl.Decimal(38, 0), 10**37)])
def test_whole_numbers_of_wider_types_fit_int64_or_not(dtype, largest):
    cells = pl.Series("x", [5, 2**63 - 1, largest], dtype=pl.Int128).cast(dtype)
    assert read(whole, cells, exactly=True) == [5, 2**63 - 1, None]
    assert why_not_whole(cells[2:], exactly=True).to_list() == ["int64"]
