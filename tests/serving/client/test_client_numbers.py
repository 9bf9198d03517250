"""Whole numbers that a caller's table holds in whatever type reach the server as they are, or are refused with the row."""

from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from contracts.dataset.columns import Column
from contracts.serving.request import RequestSpec
from serving.client import BrokenRows
from serving.client.batch import batch_of
from serving.client.served_model import ServedModel

N = 2**53  # float64 holds N and N + 2, not N + 1
USER = Column(name="x", role="entity", dtype="int", nullable=True)
NAME = Column(name="x", role="entity", dtype="string")
COUNT = Column(name="x", role="numeric", dtype="int")


def sent(column: Column, table: Any, check: bool = True) -> list[Any]:
    """Column x as it goes into the request."""
    texts, numbers = ((), (column,)) if column.role == "numeric" else ((column,), ())
    request = RequestSpec(categorical=texts, numeric=numbers, instants=(), creative=None, digest="d")
    model = ServedModel(request=request, max_rows=99, max_image_bytes=1, max_image_pixels=1, max_request_bytes=9999)
    batch = batch_of(model, table, None, check)
    return batch.floats_NM[:, 0].tolist() if numbers else batch.texts["x"].to_list()


def tables(values: list[Any], arrow: pa.DataType) -> dict[str, Any]:
    cells = pa.array(values, arrow)
    return {"arrow": pa.table({"x": cells}), "batch": pa.record_batch({"x": cells}), "pandas": pa.table({"x": cells}).to_pandas()}


EXACT = [
    ([N + 1, 2**63 - 1], pa.int64(), [str(N + 1), str(2**63 - 1)]),
    ([N + 1, 5], pa.uint64(), [str(N + 1), "5"]),
    ([Decimal(N + 1), Decimal(5)], pa.decimal128(20, 0), [str(N + 1), "5"]),
    ([Decimal(f"{N + 1}.00"), None], pa.decimal128(38, 2), [str(N + 1), ""]),
    ([Decimal(f"{N + 1}.0"), None], pa.decimal256(50, 1), [str(N + 1), ""]),
    ([f"{N + 1}.0", "9.007199254740993e15"], pa.string(), [str(N + 1)] * 2),
    ([7.0, None], pa.float64(), ["7", ""]),
    ([np.float16(7), None], pa.float16(), ["7", ""]),
]


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("kind", ["arrow", "batch", "pandas"])
@pytest.mark.parametrize(("values", "arrow", "expected"), EXACT, ids=[str(arrow) for _, arrow, _ in EXACT])
def test_whole_numbers_keep_their_value(kind, check, values, arrow, expected):
    assert sent(USER, tables(values, arrow)[kind], check) == expected


BROKEN = [
    (USER, [5.0, float(N)], pa.float64(), "exact", "a float below 2.53 .float32: 2.24., since larger ones may have been other"),
    (USER, [5.0, 2.0**24], pa.float32(), "exact", "a float below 2.53"),
    (NAME, [5.0, float(N)], pa.float64(), "exact", "a float below 2.53"),
    (COUNT, [5.0, 1e19], pa.float64(), "int64", "a whole number that fits int64; declare the column string"),
    (USER, [5, 2**63], pa.uint64(), "int64", "a whole number that fits int64"),
    (USER, [Decimal(5), Decimal(2**63)], pa.decimal128(20, 0), "int64", "a whole number that fits int64"),
    (USER, [Decimal(5), Decimal(10**40)], pa.decimal256(50, 0), "int64", "a whole number that fits int64"),
    (USER, [Decimal(5), Decimal("5.5")], pa.decimal128(3, 1), "dtype", "a whole number"),
]


@pytest.mark.parametrize("kind", ["arrow", "batch", "pandas"])
@pytest.mark.parametrize(("column", "values", "arrow", "rule", "words"), BROKEN)
def test_a_number_that_may_be_another_or_does_not_fit_is_refused_with_its_row(kind, column, values, arrow, rule, words):
    with pytest.raises(BrokenRows, match=f"column 'x', row 1: .* breaks the rule {rule}: {words}") as broken:
        sent(column, tables(values, arrow)[kind])
    assert broken.value.rejected.select("row", "rule").rows() == [(1, rule)]


def test_a_float_that_counts_may_be_as_large_as_int64():
    assert sent(COUNT, pl.DataFrame({"x": [float(N), 2.0**24]})) == [float(N), 2.0**24]


def test_whole_numbers_of_python_are_as_long_as_they_are():
    cells = pd.Series([N + 1, 2**70, None], dtype=object)
    with pytest.raises(BrokenRows, match="row 1: '1180591620717411303424' breaks the rule int64"):
        sent(USER, pd.DataFrame({"x": cells}))
    assert sent(NAME, pd.DataFrame({"x": cells[:2]})) == [str(N + 1), str(2**70)]
    with pytest.raises(ValueError, match="column 'x' holds what no column can .whole numbers beside bytes.; give it one type"):
        sent(NAME, pd.DataFrame({"x": pd.Series([2**70, b"x"], dtype=object)}))
