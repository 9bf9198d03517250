"""Texts of Parquet that repeat themselves are read as their distinct values, and nobody can tell from the outcome."""

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import contracts.tables.chunk
import contracts.tables.reading
from contracts.dataset.source import Format
from contracts.tables.chunk import Chunk
from contracts.tables.reading import read_chunks
from tests.contracts.declared import LABEL, check_file, declared

COLUMNS = [
    {"name": "id", "role": "key", "dtype": "int"},
    {"name": "site", "role": "categorical", "dtype": "string", "max_length": 5},
    {"name": "age", "role": "numeric", "dtype": "float", "nullable": True, "missing": ["?"], "min": 13},
    {"name": "kind", "role": "categorical", "dtype": "string"},
    LABEL,
]
NUM_ROWS = 300


def table() -> pa.Table:
    """Rows with missing and broken cells; `kind` says the same for 100 rows, and something else in every row then."""
    site: list[str | None] = [f"s{row % 4}" for row in range(NUM_ROWS)]
    age: list[str | None] = [["20", "?", None, "30.5"][row % 4] for row in range(NUM_ROWS)]
    site[7], site[150], age[30], age[31] = None, "toolong", "5", "old"
    return pa.table(
        {
            "id": [str(row) for row in range(NUM_ROWS)],
            "site": pa.array(site),
            "age": pa.array(age),
            "kind": ["k"] * 100 + [f"k{row}" for row in range(100, NUM_ROWS)],
            "y": pa.array([str(row % 2) for row in range(NUM_ROWS)]).dictionary_encode(),
        }
    )


def chunks(path) -> list[Chunk]:
    return list(read_chunks(path, Format(), ("id", "site", "age", "kind", "y"), frozenset()))


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
@pytest.mark.parametrize("group_rows", [NUM_ROWS, 90])
def test_repeated_texts_of_parquet_are_checked_once_with_the_same_outcome(tmp_path, monkeypatch, group_rows, kind):
    rows = table().set_column(1, "site", table()["site"].cast(kind))
    pq.write_table(rows, tmp_path / "rows.parquet", row_group_size=group_rows)
    monkeypatch.setattr(contracts.tables.reading, "PARQUET_ROWS", 64)  # so that chunks end inside row groups
    monkeypatch.setattr(contracts.tables.reading, "SAMPLE_ROWS", 80)
    declaration = declared(*COLUMNS, source={"files": ["*.parquet"]})
    outcomes, repeated = [], []
    for least in (8, 10**9):  # with the second no column counts as one that repeats itself
        monkeypatch.setattr(contracts.tables.chunk, "MIN_REPEATS", least)
        outcomes.append(check_file(tmp_path / "rows.parquet", declaration))
        repeated.append([set(chunk.distinct.columns) for chunk in chunks(tmp_path / "rows.parquet")])
    (clean, rejected), (clean_plain, rejected_plain) = outcomes
    assert clean.equals(clean_plain) and clean.schema == clean_plain.schema
    assert rejected == rejected_plain
    assert [row[:4] for row in rejected] == [
        (8, "site", "not_null", None),
        (31, "age", "min", "5"),
        (32, "age", "dtype", "old"),
        (151, "site", "max_length", "toolong"),
    ]
    assert set().union(*repeated[1]) == set()
    assert all({"site", "age", "y"} <= names for names in repeated[0])
    assert "kind" not in repeated[0][-1]  # of which a row group need not repeat what the beginning does


def test_a_missing_text_is_one_of_the_distinct_values(tmp_path):
    pq.write_table(table(), tmp_path / "rows.parquet")
    (chunk,) = chunks(tmp_path / "rows.parquet")
    assert chunk.distinct["site"].unique().sort().to_list() == [None, "s0", "s1", "s2", "s3", "toolong"]
    assert chunk.rows["site"].null_count() == 0
    assert chunk.spelled_out(["site"]).rows["site"].to_list() == table()["site"].to_pylist()


def test_columns_without_a_text_among_the_first_rows_are_read(tmp_path):
    rows = table().slice(0, 40).set_column(2, "age", pa.array([None] * 40, pa.string()))
    pq.write_table(rows, tmp_path / "rows.parquet")
    clean, rejected = check_file(tmp_path / "rows.parquet", declared(*COLUMNS, source={"files": ["*.parquet"]}))
    assert clean["age"].null_count() == len(clean) == 39
    assert [row[:3] for row in rejected] == [(8, "site", "not_null")]


def test_numbers_that_repeat_stay_as_they_are(tmp_path):
    frame = pl.DataFrame({"c": ["a"] * 20, "y": [1, 0] * 10})
    frame.write_parquet(tmp_path / "rows.parquet")
    (chunk,) = read_chunks(tmp_path / "rows.parquet", Format(), ("c", "y"), frozenset())
    assert chunk.distinct.columns == ["c"] and chunk.rows.schema["y"] == pl.Int64


def test_columns_of_any_name_and_any_dictionaries_are_read(tmp_path):
    rows = pa.table(
        {
            "": ["p", "q"] * 20,
            "a.b": ["x"] * 40,
            "site": pa.array(["s", None] * 20).dictionary_encode(),
            "number": pa.array([1, None] * 20).dictionary_encode(),
            "bytes": pa.array([b"\xff", None] * 20).dictionary_encode(),
            "list": pa.array([["a"], None] * 20),
        }
    )
    pq.write_table(rows, tmp_path / "rows.parquet")
    (chunk,) = read_chunks(tmp_path / "rows.parquet", Format(), ("a.b",), frozenset(), any_header=True)
    assert chunk.distinct.columns == ["", "a.b", "site"]
    found = chunk.spelled_out(chunk.distinct.columns).rows.drop("__row")
    assert found.columns == rows.column_names and found.rows() == [tuple(row.values()) for row in rows.to_pylist()]
    assert found.schema["number"] == pl.Int64


def test_row_groups_that_were_read_are_not_in_memory(tmp_path):
    group = pa.table({"c": ["x" * 1000] * 1000, "y": ["1"] * 1000, "free": [f"{i:01000}" for i in range(1000)]})
    with pq.ParquetWriter(tmp_path / "rows.parquet", group.schema, compression="none", use_dictionary=["c", "y"]) as writer:
        for _ in range(30):
            writer.write_table(group)
    before, most = pa.total_allocated_bytes(), 0
    size = (tmp_path / "rows.parquet").stat().st_size
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contracts.tables.reading, "PARQUET_ROWS", 500)
        for _ in read_chunks(tmp_path / "rows.parquet", Format(), ("c", "y", "free"), frozenset()):
            most = max(most, pa.total_allocated_bytes() - before)
    assert 0 < most < size / 4
