"""Columns that repeat themselves are read as their distinct values, and nobody can tell from the outcome."""

import polars as pl
import pyarrow as pa
import pytest

import contracts.tables.chunk
from contracts.dataset.source import Format
from contracts.tables.chunk import ROW, Chunk, chunk_of, repeating
from contracts.tables.reading import read_chunks
from tests.contracts.declared import LABEL, check_text

COLUMNS = [
    {"name": "id", "role": "key", "dtype": "int"},
    {"name": "day", "role": "time", "dtype": "datetime"},
    {"name": "weekday", "role": "categorical", "dtype": "int", "derive_from": "day", "part": "weekday"},
    {"name": "site", "role": "categorical", "dtype": "string", "max_length": 5},
    {"name": "age", "role": "numeric", "dtype": "float", "nullable": True, "missing": ["?"], "min": 13},
    {"name": "ad", "role": "creative", "dtype": "string"},
    LABEL,
]
BROKEN = {7: "site=toolong", 30: "age=5", 31: "age=old", 50: "y=2", 51: "site=", 77: "ad=ad9", 78: "site=\xe9", 120: "id=1"}


def lines(num_rows: int) -> list[bytes]:
    found = []
    for row in range(1, num_rows + 1):
        cells = {"id": row, "day": f"2024-01-{row % 3 + 1:02}", "site": f"s{row % 4}", "age": ["20", "?", "30.5"][row % 3]}
        cells |= {"ad": f"ad{row % 5}", "y": row % 2}
        name, _, value = BROKEN.get(row, "").partition("=")
        cells |= {name: value} if name else {}
        found.append(",".join(map(str, cells.values())).encode("latin-1"))
    return found


@pytest.mark.parametrize("strip", [False, True])
def test_repeated_values_are_checked_once_with_the_same_outcome(tmp_path, monkeypatch, strip):
    content = b"id,day,site,age,ad,y\n" + b"\n".join(lines(200))
    more = {"images": {"files": "*.png"}, "source": {"format": {"strip": strip}}}
    outcomes = []
    for repeats in (8, 10**9):  # with the second no column counts as one that repeats itself
        monkeypatch.setattr(contracts.tables.chunk, "MIN_REPEATS", repeats)
        outcomes.append(check_text(tmp_path, content, *COLUMNS, known=frozenset(f"ad{i}" for i in range(5)), **more))
    (clean, rejected), (clean_plain, rejected_plain) = outcomes
    assert rejected == rejected_plain
    assert [row[:4] for row in rejected] == [
        (7, "site", "max_length", "toolong"),
        (30, "age", "min", "5"),
        (31, "age", "dtype", "old"),
        (50, "y", "label", "2"),
        (51, "site", "not_null", ""),
        (77, "ad", "image", "ad9"),
        (78, "site", "encoding", "\\xe9"),
        (120, "id", "unique", "1"),
    ]
    assert clean.equals(clean_plain)
    assert clean.schema == clean_plain.schema


def test_columns_of_few_values_are_read_as_dictionaries(tmp_path):
    (tmp_path / "rows.csv").write_bytes(b"id,day,site,age,ad,y\n" + b"\n".join(lines(40)[:29]))
    (chunk,) = read_chunks(tmp_path / "rows.csv", Format(), ("id", "day", "site", "age", "ad", "y"), frozenset())
    assert set(chunk.distinct.columns) == {"day", "age", "y"}
    assert chunk.distinct["day"].to_list()[:3] == ["2024-01-02", "2024-01-03", "2024-01-01"]
    assert chunk.rows["day"].to_list()[:4] == [0, 1, 2, 0]
    assert chunk.rows["site"].to_list()[:2] == ["s1", "s2"]


def test_a_chunk_can_be_spelled_out_and_lose_columns():
    batches = [
        pa.record_batch({"a": pa.array(cells).dictionary_encode(), "": pa.array(["p"] * len(cells))})
        for cells in (["x", "y", "x"], ["z", "y"])
    ]
    chunk = chunk_of(pa.Table.from_batches(batches))
    assert chunk.rows.columns == ["a", ""]
    assert chunk.spelled_out(["a", ""]).rows["a"].to_list() == ["x", "y", "x", "z", "y"]
    assert chunk.spelled_out(["a"]).distinct.is_empty()
    chunk.undecoded = [(1, "a", "x"), (2, "", "p")]
    left = chunk.without({"a", "not there"})
    assert (left.rows.columns, left.distinct.columns, left.undecoded) == ([""], [], [(2, "", "p")])


def test_shorter_lists_of_distinct_values_are_filled_up():
    batch = pa.record_batch({"a": pa.array(["x"] * 3).dictionary_encode(), "b": pa.array(["p", "q", "r"]).dictionary_encode()})
    assert chunk_of(pa.Table.from_batches([batch])).distinct.rows() == [("x", "p"), ("x", "q"), ("x", "r")]


def test_repeating_names_the_columns_with_few_values():
    sample = pa.record_batch({"few": pa.array(["a", "b"] * 8), "many": pa.array([f"{i % 3}" for i in range(16)])})
    assert repeating(sample) == {"few"}


def test_rows_that_do_not_fit_count_as_rows_of_the_chunk():
    assert len(Chunk(rows=pl.DataFrame({ROW: [1, 2]}), ragged=[(3, "a")])) == 3


def test_a_file_of_nothing_but_repeated_values_is_checked(tmp_path):
    content = "site,y\n" + "a,0\n" * 10 + "b,7\n" * 10 + "a\n"
    clean, rejected = check_text(tmp_path, content, COLUMNS[3], LABEL)
    assert clean.rows() == [("a", 0, row) for row in range(1, 11)]
    assert [row[:4] for row in rejected] == [*((row, "y", "label", "7") for row in range(11, 21)), (21, "", "columns", "a")]
