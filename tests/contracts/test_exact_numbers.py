"""Numbers keep their value: neighbours above 2^53 stay apart as ids, keys, markers and bounds, or their rows are rejected."""

import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contracts.tables.chunk import ROW
from tests.contracts.declared import FEATURE, LABEL, check_file, check_text, declared

N = 2**53  # float64 holds N and N + 2, not N + 1
SPELLINGS = ["{}", "{}.0", "{}.", "{}e0", "{}0e-1", " {} "]
USER = {"name": "x", "role": "entity", "dtype": "int", "feature": False}
KEY = {"name": "x", "role": "key", "dtype": "int"}
COUNT = {"name": "x", "role": "numeric", "dtype": "int"}
PRICE = {"name": "x", "role": "numeric", "dtype": "float"}


def by_row(clean: pl.DataFrame, rejected: list[tuple[Any, ...]]) -> list[Any]:
    """What the cells of column x became; of a rejected row the rule."""
    found = dict(zip(clean[ROW].to_list(), clean["x"].to_list(), strict=True)) | {
        row: f"! {rule}" for row, _, rule, *_ in rejected
    }
    return [found[row] for row in range(1, len(found) + 1)]


def text_values(tmp_path: Path, cells: list[str], column: dict[str, Any], **source: Any) -> list[Any]:
    content = "x|c|y\n" + "".join(f"{cell}|a|1\n" for cell in cells)
    return by_row(*check_text(tmp_path, content, column, FEATURE, LABEL, source={"format": {"delimiter": "|"}, **source}))


def parquet_values(tmp_path: Path, cells: pa.Array, column: dict[str, Any]) -> list[Any]:
    pq.write_table(pa.table({"x": cells, "c": ["a"] * len(cells), "y": [1] * len(cells)}), tmp_path / "rows.parquet")
    declaration = declared(column, FEATURE, LABEL, source={"files": ["*.parquet"]})
    return by_row(*check_file(tmp_path / "rows.parquet", declaration))


@pytest.mark.parametrize("column", [USER, KEY], ids=["entity", "key"])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_neighbours_stay_two_in_every_spelling(tmp_path, column, spelling):
    cells = [spelling.format(N), spelling.format(N + 1), spelling.format(2**63 - 1)]
    assert text_values(tmp_path, cells, column) == [N, N + 1, 2**63 - 1]


def test_an_exponent_is_read_exactly_also_where_the_column_repeats_itself(tmp_path):
    cells = ["9.007199254740993e15", "9.007199254740992E+15"] * 40
    assert text_values(tmp_path, cells, USER) == [N + 1, N] * 40


def test_a_key_in_two_spellings_repeats(tmp_path):
    assert text_values(tmp_path, [f"{N + 1}", f"{N + 1}.0"], KEY) == [N + 1, "! unique"]


@pytest.mark.parametrize("column", [USER, KEY, {**USER, "dtype": "string"}], ids=["entity", "key", "string"])
@pytest.mark.parametrize(("kind", "limit"), [(np.float64, N), (np.float32, 2**24), (np.float16, 2**11)])
def test_a_float_that_may_have_been_another_number_names_nobody(tmp_path, column, kind, limit):
    cells = pa.array(np.array([limit - 1, limit, -limit, 7], dtype=kind))
    as_column = [float(limit - 1), 7.0] if column["dtype"] == "string" else [limit - 1, 7]
    shown = [str(value) for value in as_column] if column["dtype"] == "string" else as_column
    assert parquet_values(tmp_path, cells, column) == [shown[0], "! exact", "! exact", shown[1]]


def test_a_float_that_counts_may_be_rounded_and_has_to_fit_int64(tmp_path):
    assert parquet_values(tmp_path, pa.array([float(N), 9e18, 1e19, 2.5]), COUNT) == [N, 9 * 10**18, "! int64", "! dtype"]
    assert parquet_values(tmp_path, pa.array([float(N)]), {**COUNT, "unique": True}) == ["! exact"]


def test_a_float_column_that_is_a_key_is_exact_or_rejected(tmp_path):
    cells = [f"{N - 1}", f"{N + 1}", f"{N}", "nothing"]
    assert text_values(tmp_path, cells, {**KEY, "dtype": "float"}) == [float(N - 1), "! exact", "! exact", "! dtype"]
    assert text_values(tmp_path, cells[:3], PRICE) == [float(N - 1), float(N), float(N)]


@pytest.mark.parametrize("cell", ["17999999999999999000", "1.8e19", "-9223372036854775809", "1e400"])
def test_text_that_does_not_fit_int64_says_so(tmp_path, cell):
    assert text_values(tmp_path, [cell, "1"], COUNT) == ["! int64", 1]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (pa.array([2**63 - 1, 2**63], pa.uint64()), [2**63 - 1, "! int64"]),
        (pa.array([Decimal(N + 1), Decimal(2**63)], pa.decimal128(20, 0)), [N + 1, "! int64"]),
        (pa.array([Decimal(f"{N + 1}.00"), Decimal("0.50")], pa.decimal128(38, 2)), [N + 1, "! dtype"]),
        (
            pa.array([Decimal(f"{N + 1}.00"), Decimal("0.50"), Decimal(10**40)], pa.decimal256(50, 2)),
            [N + 1, "! dtype", "! int64"],
        ),
        (pa.array([True, False]), [1, 0]),
        (pa.array([3, -3], pa.int8()), [3, -3]),
    ],
    ids=["uint64", "decimal", "decimal with a fraction", "decimal256", "bool", "int8"],
)
def test_other_types_of_parquet_are_whole_numbers_or_rejected(tmp_path, cells, expected):
    assert parquet_values(tmp_path, cells, USER) == expected


def test_a_string_takes_what_int64_does_not_hold(tmp_path):
    column = {**USER, "dtype": "string"}
    assert parquet_values(tmp_path, pa.array([2**64 - 1], pa.uint64()), column) == [str(2**64 - 1)]
    assert parquet_values(tmp_path, pa.array([Decimal(10**40)], pa.decimal256(50, 0)), column) == [str(10**40)]
    assert text_values(tmp_path, ["17999999999999999000"], column) == ["17999999999999999000"]


def test_a_marker_means_itself_and_not_its_neighbour(tmp_path):
    column = {**USER, "nullable": True, "missing": [N, "unknown", "1_000", 0.5, 2**64 - 1]}
    cells = [f"{N}", f"{N}.0", f"{N + 1}", "unknown", "1000", "0.5", f"{2**64 - 1}", f"{2**64 - 2}"]
    assert text_values(tmp_path, cells, column) == [None, None, N + 1, None, 1000, None, None, "! int64"]
    assert parquet_values(tmp_path, pa.array([N, N + 1, 1000]), column) == [None, N + 1, 1000]
    assert parquet_values(tmp_path, pa.array([2**64 - 1, 2**64 - 2, 5], pa.uint64()), column) == [None, "! int64", 5]
    assert parquet_values(tmp_path, pa.array([float(2**64), 0.5, 5.0, math.nan]), column) == [None, None, 5, None]
    assert parquet_values(tmp_path, pa.array([Decimal(N), Decimal(N + 1)], pa.decimal128(20, 0)), column) == [None, N + 1]


def test_a_bound_of_whole_numbers_is_one(tmp_path):
    column = {**USER, "min": -N - 1, "max": N + 1}
    cells = [f"{N + 1}", f"{N + 2}", f"{-N - 1}", f"{-N - 2}"]
    assert text_values(tmp_path, cells, column) == [N + 1, "! max", -N - 1, "! min"]
    assert text_values(tmp_path, ["0", "1", "2", "3"], {**USER, "min": 0.5, "max": 2.5}) == ["! min", 1, 2, "! max"]
    assert text_values(tmp_path, [f"{2**63 - 1}"], {**USER, "min": -1e30, "max": 1e30}) == [2**63 - 1]


@pytest.mark.parametrize("bound", [math.inf, -math.inf, math.nan])
def test_a_bound_is_a_finite_number(bound):
    with pytest.raises(ValueError, match="a bound must be a finite number, got .*; leave it out where there is none"):
        declared({**PRICE, "min": bound}, FEATURE, LABEL)


def test_a_label_is_0_or_1_and_nothing_near_it(tmp_path):
    label = {"name": "x", "role": "label", "dtype": "int"}
    other = {"name": "y", "role": "info", "dtype": "int"}
    cells = ["1", "1.0", "1e0", "0.00", "-0", "1.00000000000000000000001", "1e-30"]
    content = "x,c,y\n" + "".join(f"{cell},a,1\n" for cell in cells)
    assert by_row(*check_text(tmp_path, content, label, FEATURE, other)) == [1, 1, 1, 0, 0, "! label", "! label"]
    words = {**label, "labels": {1: 0, 2: 1, 0.5: 1}}
    found = by_row(*check_text(tmp_path, content.replace("\n-0,", "\n2.0,").replace("\n0.00,", "\n.5,"), words, FEATURE, other))
    assert found == [0, 0, 0, 1, 1, "! label", "! label"]


def test_what_float32_does_not_hold_is_rejected_where_the_model_sees_it(tmp_path):
    cells = ["3.4028234663852886e38", "3.4028235677973366e38", "1e39", "-1e39", "1e400", "-inf", "1e-50"]
    expected = [3.4028234663852886e38, *["! finite"] * 5, 1e-50]
    assert text_values(tmp_path, cells, PRICE) == expected
    assert text_values(tmp_path, ["1e39", "1e400"], {**PRICE, "role": "info"}) == [1e39, "! finite"]
    assert parquet_values(tmp_path, pa.array([1.0, 1e39, math.inf]), PRICE) == [1.0, "! finite", "! finite"]


def test_times_in_nanoseconds_are_read_exactly(tmp_path):
    column = {"name": "x", "role": "info", "dtype": "datetime", "format": "epoch_ns"}
    times = text_values(tmp_path, ["1700000000123459999", "1700000000123459999.0", "1.700000000123459999e18"], column)
    assert [time.microsecond for time in times] == [123459] * 3
