"""Parquet files that hold more than text: decimals, times, bytes, no rows."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contracts.dataset.source import SourceError
from contracts.tables.raw import main_columns, read_partition, side_tables
from tests.contracts.declared import FEATURE, LABEL, check_file, declared


def read(tmp_path, values, column, **source):
    """Values of column x, and (row, rule, value) of rejected rows."""
    table = pa.table({"x": values, "c": ["a"] * len(values), "y": [1] * len(values)})
    pq.write_table(table, tmp_path / "rows.parquet")
    declaration = declared({"name": "x", **column}, FEATURE, LABEL, source={"files": ["*.parquet"], **source})
    clean, rejected = check_file(tmp_path / "rows.parquet", declaration)
    return clean["x"].to_list(), [(row, rule, value) for row, _, rule, value, _ in rejected]


def test_a_decimal_that_is_no_whole_number_is_none(tmp_path):
    values = pa.array([Decimal("3.00"), Decimal("3.50"), Decimal("-7.00")], pa.decimal128(6, 2))
    found, rejected = read(tmp_path, values, {"role": "info", "dtype": "int"})
    assert found == [3, -7] and [row[:2] for row in rejected] == [(2, "dtype")]
    assert read(tmp_path, values, {"role": "numeric", "dtype": "float"})[0] == [3.0, 3.5, -7.0]


MARKED = {"role": "info", "dtype": "datetime", "nullable": True}


@pytest.mark.parametrize(
    ("values", "column"),
    [
        (pa.array([datetime(1900, 1, 1), datetime(2024, 1, 1)], pa.timestamp("us")), {"missing": ["1900-01-01"]}),
        (pa.array([datetime(1900, 1, 1), datetime(2024, 1, 1)], pa.timestamp("ns", "UTC")), {"missing": ["1900-01-01 00:00:00"]}),
        (pa.array([date(1900, 1, 1), date(2024, 1, 1)], pa.date32()), {"missing": ["1900-01-01"]}),
        (pa.array([0, 1704067200], pa.int64()), {"format": "epoch_s", "missing": [0]}),
        (pa.array([-1.0, 1704067200.0], pa.float64()), {"format": "epoch_s", "missing": [-1]}),
    ],
    ids=["timestamp", "with a zone", "date", "epoch", "epoch as float"],
)
def test_missing_markers_of_times(tmp_path, values, column):
    assert read(tmp_path, values, MARKED | column) == ([None, datetime(2024, 1, 1, tzinfo=UTC)], [])


def test_a_missing_marker_of_booleans_that_are_numbers(tmp_path):
    column = {"role": "categorical", "dtype": "bool", "nullable": True, "missing": [-1]}
    assert read(tmp_path, pa.array([1, -1, 0, 2], pa.int8()), column) == ([True, None, False], [(4, "dtype", "2")])


def test_bytes_are_texts_unless_they_are_no_utf8(tmp_path):
    texts = pa.array([b"12", b"\xff3", None], pa.binary())
    assert read(tmp_path, texts, {"role": "numeric", "dtype": "int", "nullable": True}) == (
        [12, None],
        [(2, "encoding", "\\xff3")],
    )
    assert read(tmp_path, texts, {"role": "info", "dtype": "string", "nullable": True})[0] == ["12", None]


def test_bytes_that_are_left_out_may_be_anything(tmp_path):
    left_out = [{"name": "thumb", "why": "pixels"}]
    pq.write_table(pa.table({"item": [1], "c": ["a"], "y": [1], "thumb": [b"\xff"]}), tmp_path / "rows.parquet")
    pq.write_table(pa.table({"item": [1], "price": [2.5], "thumb": [b"\xff"]}), tmp_path / "items.parquet")
    join = {"files": "items.parquet", "key": "item", "leave_out": left_out}
    columns = ({"name": "item", "role": "info", "dtype": "int"}, {"name": "price", "role": "numeric", "dtype": "float"})
    declaration = declared(*columns, FEATURE, LABEL, source={"joins": [join]}, leave_out=left_out)
    clean, rejected = check_file(tmp_path / "rows.parquet", declaration, side_tables(tmp_path, declaration))
    assert clean.select("item", "price").rows() == [(1, 2.5)] and rejected == []


@pytest.mark.parametrize(
    ("values", "dtype", "words"),
    [
        (pa.array([timedelta(seconds=1)]), "string", "holds Duration.*, which no dtype takes; leave it out"),
        (pa.array([time(1)]), "float", "holds Time, and its dtype is float; declare it string"),
        (pa.array([datetime(2024, 1, 1)]), "int", "holds Datetime.*, and its dtype is int; declare it datetime or string"),
        (pa.array([date(2024, 1, 1)]), "datetime", "holds Date, and its format is epoch_s; leave the format out"),
    ],
)
def test_times_that_would_become_meaningless_numbers_are_one_sentence(tmp_path, values, dtype, words):
    with pytest.raises(SourceError, match=words):
        read(tmp_path, values, {"role": "info", "dtype": dtype} | ({"format": "epoch_s"} if dtype == "datetime" else {}))


def test_nanoseconds_keep_their_microseconds(tmp_path):
    found, _ = read(tmp_path, [1700000000123459789], {"role": "info", "dtype": "datetime", "format": "epoch_ns"})
    assert found == [datetime(2023, 11, 14, 22, 13, 20, 123459, tzinfo=UTC)]


def test_part_files_without_rows_are_passed_over_where_others_have_some(tmp_path):
    table = pa.table({"c": ["a"], "y": [1]})
    pq.write_table(table[:0], tmp_path / "part-0.parquet")
    pq.write_table(table, tmp_path / "part-1.parquet")
    declaration = declared(FEATURE, LABEL, source={"files": ["*.parquet"]})
    files = sorted(tmp_path.glob("*.parquet"))
    assert [path.name for path, _ in read_partition(files, declaration, ("c", "y"), frozenset())] == ["part-1.parquet"]
    with pytest.raises(SourceError, match="part-0.parquet holds no rows; remove it or send it again"):
        list(read_partition(files[:1], declaration, ("c", "y"), frozenset()))


def test_numbers_of_a_parquet_side_table_are_not_read_as_the_texts_of_its_format(tmp_path):
    pq.write_table(pa.table({"item": [1, 2], "price": [1.125, float("nan")]}), tmp_path / "items.parquet")
    (tmp_path / "rows.csv").write_text("item,c,y\n1,a,0\n2,b,1\n")
    join = {"files": "items.parquet", "key": "item", "format": {"decimal": ",", "thousands": "."}}
    price = {"name": "price", "role": "numeric", "dtype": "float", "nullable": True}
    declaration = declared({"name": "item", "role": "info", "dtype": "int"}, price, FEATURE, LABEL, source={"joins": [join]})
    tables = side_tables(tmp_path, declaration)
    assert main_columns(declaration, tables) == ("item", "c", "y")
    clean, _ = check_file(tmp_path / "rows.csv", declaration, tables)
    assert clean.select("price").rows() == [(1.125,), (None,)]
    assert isinstance(clean, pl.DataFrame)
