"""Every kind of check has a row that breaks it: row number, column, rule and value are named."""

import numpy as np
import pandera.polars as pa
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import contracts.tables.text.delimited
from contracts.dataset.source import SourceError
from contracts.tables.chunk import ROW, Chunk
from contracts.tables.contract import contract_of
from contracts.tables.raw import read_partition
from contracts.tables.schema import schema_of, violations
from contracts.tables.seen import SeenValues
from tests.contracts.declared import FEATURE, LABEL, check_file, check_text, declared

# kind of check -> (declared column, good cell, bad cell, rule)
BROKEN = {
    "int": ({"dtype": "int"}, "3", "3.5", "dtype"),
    "int_text": ({"dtype": "int"}, "-3", "many", "dtype"),
    "int_too_large": ({"dtype": "int"}, "9007199254740993", "99999999999999999999", "int64"),
    "float": ({"dtype": "float"}, "1e-3", "1.2.3", "dtype"),
    "not_null": ({"dtype": "float"}, "0", "", "not_null"),
    "min": ({"dtype": "int", "min": 0}, "0", "-1", "min"),
    "max": ({"dtype": "float", "max": 110}, "110", "110.5", "max"),
    "finite": ({"dtype": "float"}, "0", "inf", "finite"),
    "finite_nan": ({"dtype": "float", "nullable": True}, "0", "NaN", "finite"),
    "values_int": ({"dtype": "int", "values": [1, 2]}, "2", "3", "values"),
    "values": ({"role": "categorical", "dtype": "string", "values": ["a", "b"]}, "a", "A", "values"),
    "pattern": ({"role": "categorical", "dtype": "string", "pattern": r"u-\d+"}, "u-12", "u-12x", "pattern"),
    "pattern_alternatives": ({"role": "categorical", "dtype": "string", "pattern": "a|b"}, "a", "ab", "pattern"),
    "max_length": ({"role": "categorical", "dtype": "string", "max_length": 3}, "äöü", "abcd", "max_length"),
    "bool": ({"role": "categorical", "dtype": "bool"}, "True", "perhaps", "dtype"),
    "datetime": ({"role": "time", "dtype": "datetime"}, "2024-02-29", "2023-02-29", "dtype"),
    "year_0": ({"role": "time", "dtype": "datetime"}, "2024-02-29", "0000-01-01 00:00:00", "dtype"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_contract_rejects_a_broken_cell_and_says_where_and_why(tmp_path, kind):
    column, good, bad, rule = BROKEN[kind]
    column = {"name": "x", "role": "numeric", **column}
    clean, rejected = check_text(tmp_path, f"c,x,y\na,{good},0\nb,{bad},1\nc,{good},1\n", FEATURE, column, LABEL)
    assert rejected == [(2, "x", rule, bad, 1)]
    assert clean[ROW].to_list() == [1, 3]
    assert clean["c"].to_list() == ["a", "c"]


def test_contract_names_the_first_rule_of_a_row_and_counts_the_broken_columns(tmp_path):
    number = {"name": "x", "role": "numeric", "dtype": "int", "min": 0}
    clean, rejected = check_text(tmp_path, "c,x,y\n,-1,2\na,1,1\n", FEATURE, number, LABEL)
    assert [(row, column, rule, broken) for row, column, rule, _, broken in rejected] == [(1, "y", "label", 3)]
    assert len(clean) == 1


@pytest.mark.parametrize("value", ["2", "yes", "-1", "0.5"])
def test_contract_rejects_a_label_that_is_neither_0_nor_1(tmp_path, value):
    _, rejected = check_text(tmp_path, f"c,y\na,0\nb,{value}\n", FEATURE, LABEL)
    assert rejected == [(2, "y", "label", value, 1)]


def test_contract_rejects_a_missing_label(tmp_path):
    _, rejected = check_text(tmp_path, "c,y\na,0\nb,\n", FEATURE, LABEL)
    assert [row[:3] for row in rejected] == [(2, "y", "not_null")]


def test_contract_rejects_rows_with_too_few_or_too_many_cells(tmp_path):
    clean, rejected = check_text(tmp_path, "c,y\na,0\nb\nc,1\nd,1,1\ne,0\n", FEATURE, LABEL)
    assert rejected == [(2, "", "columns", "b", 1), (4, "", "columns", "d,1,1", 1)]
    assert clean[ROW].to_list() == [1, 3, 5]


def test_contract_rejects_bytes_that_are_not_in_the_encoding(tmp_path):
    content = "c,y\nok,0\nîle,1\nok,1\n".encode("latin-1")
    clean, rejected = check_text(tmp_path, content, FEATURE, LABEL)
    assert rejected == [(2, "c", "encoding", "\\xeele", 1)]
    assert clean[ROW].to_list() == [1, 3]


def test_a_row_with_both_wrong_bytes_and_too_few_cells_costs_only_itself(tmp_path):
    clean, rejected = check_text(tmp_path, b"c,y\n\xff\xfe\na,1\n", FEATURE, LABEL)
    assert rejected == [(1, "", "columns", "\\xff\\xfe", 1)]
    assert clean["c"].to_list() == ["a"]


def test_repeated_keys_are_rejected_within_a_chunk_and_across_chunks():
    key = {"name": "id", "role": "key", "dtype": "int"}
    contract = contract_of(declared(key, FEATURE, LABEL), (), None)

    def chunk(first: int, ids: list[str]) -> Chunk:
        rows = {"id": ids, "c": ["a"] * len(ids), "y": ["0"] * len(ids)}
        numbers = pl.Series(ROW, range(first, first + len(ids)), dtype=pl.UInt32)
        return Chunk(rows=pl.DataFrame(rows).with_columns(numbers))

    clean, bad = contract.check(chunk(1, ["7", "8", "7", "9"]))
    assert clean["id"].to_list() == [7, 8, 9]
    assert bad.rows() == [(3, "id", "unique", "7", 1)]
    clean, bad = contract.check(chunk(5, ["10", "8", "11", "10"]))
    assert clean["id"].to_list() == [10, 11]
    assert bad.rows() == [(6, "id", "unique", "8", 1), (8, "id", "unique", "10", 1)]


def test_a_rejected_row_does_not_use_up_its_key():
    key = {"name": "id", "role": "key", "dtype": "int"}
    contract = contract_of(declared(key, FEATURE, LABEL), (), None)
    rows = pl.DataFrame({"id": ["1", "1"], "c": ["a", "b"], "y": ["5", "1"]})
    clean, bad = contract.check(Chunk(rows=rows.with_columns(pl.Series(ROW, [1, 2], dtype=pl.UInt32))))
    assert clean["c"].to_list() == ["b"]
    assert [row[:3] for row in bad.rows()] == [(1, "y", "label")]


def test_seen_values_remembers_across_many_calls():
    seen, expected, found = SeenValues(), set(), []
    rng = np.random.default_rng(3)
    for _ in range(40):
        values = rng.integers(0, 3000, 100).astype("uint64")
        repeated = []
        for value in values.tolist():
            repeated.append(value in expected)
            expected.add(value)
        found.append(seen.add(values).tolist() == repeated)
    assert all(found)
    assert sum(len(run) for run in seen.runs) == len(expected)


def test_contract_rejects_a_creative_without_image(tmp_path):
    creative = {"name": "ad", "role": "creative", "dtype": "int"}
    declaration = declared(creative, FEATURE, LABEL, images={"files": "*.png"})
    (tmp_path / "rows.csv").write_text("ad,c,y\n5,a,0\n6,b,1\n")
    clean, rejected = check_file(tmp_path / "rows.csv", declaration, images=frozenset({"5"}))
    assert rejected == [(2, "ad", "image", "6", 1)]
    assert clean["ad"].to_list() == [5]


def test_images_missing_allow_keeps_a_creative_without_image(tmp_path):
    creative = {"name": "ad", "role": "creative", "dtype": "int"}
    declaration = declared(creative, FEATURE, LABEL, images={"files": "*.png", "missing": "allow"})
    (tmp_path / "rows.csv").write_text("ad,c,y\n5,a,0\n6,b,1\n")
    assert check_file(tmp_path / "rows.csv", declaration, images=frozenset({"5"}))[1] == []


def test_images_of_which_no_row_shows_one_are_told_with_a_name_of_each_side(tmp_path):
    creative = {"name": "ad", "role": "creative", "dtype": "int"}
    (tmp_path / "rows.csv").write_text("ad,c,y\n5,a,0\n7,b,1\n")
    declaration = declared(creative, FEATURE, LABEL, images={"files": "*.png", "missing": "allow"})
    for images, said in ((frozenset({"ad_5"}), True), (frozenset({"7"}), False)):
        contract = contract_of(declaration, (), images)
        for _, chunk in read_partition([tmp_path / "rows.csv"], declaration, ("ad", "c", "y"), frozenset()):
            contract.check(chunk)
        complaint = contract.unmatched().get("images", "")
        assert complaint.startswith("no row has an image: by ad the rows have '5', an image's file is called 'ad_5'") == said


def test_pandera_looks_at_the_data_of_a_lazy_frame():
    column = declared({"name": "x", "role": "numeric", "dtype": "int", "min": 0}, FEATURE, LABEL).columns[:1]
    found = violations(schema_of(column), pl.DataFrame({"x": [1, -1, 5, -7]}))
    assert found.rows() == [(1, "x", "min"), (3, "x", "min")]
    # Without the depth that `violations` sets, pandera lets the same frame pass: the reason for it.
    assert schema_of(column).validate(pl.LazyFrame({"x": [-1]})).collect()["x"].to_list() == [-1]
    with pytest.raises(pa.errors.SchemaError):
        schema_of(column).validate(pl.DataFrame({"x": [-1]}))


def test_a_missing_value_in_a_nullable_column_breaks_no_check(tmp_path):
    number = {"name": "x", "role": "numeric", "dtype": "float", "nullable": True, "min": 1, "max": 2, "values": [1, 2]}
    text = {**FEATURE, "nullable": True, "values": ["a"], "pattern": "a", "max_length": 1}
    clean, rejected = check_text(tmp_path, "c,x,y\n,,1\na,1,0\n", text, number, LABEL)
    assert rejected == []
    assert clean.drop(ROW).rows() == [(None, None, 1), ("a", 1.0, 0)]


CELL = st.text(st.sampled_from('ab1.,"\n;-x é\\'), max_size=4)
GOOD = st.tuples(st.sampled_from("abc"), st.integers(-5, 99).map(str), st.sampled_from("01")).map(",".join)
LINE = st.one_of(
    GOOD.map(str.encode),
    GOOD.map(str.encode),
    st.lists(CELL, max_size=5).map(lambda cells: ",".join(cells).encode("latin-1")),
    st.binary(max_size=6).map(lambda raw: raw.replace(b"\r", b"").replace(b"\n", b"")),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(LINE, min_size=1, max_size=12), quote=st.sampled_from(['"', None]))
def test_clean_plus_quarantined_is_raw_whatever_the_file_holds(tmp_path, lines, quote):
    number = {"name": "x", "role": "numeric", "dtype": "int", "min": 0}
    content = b"c,x,y\na,1,1\n" + b"\n".join(lines) + b"\nlast,2,0\n"
    try:
        clean, rejected = check_text(tmp_path, content, FEATURE, number, LABEL, source={"format": {"quote": quote}})
    except SourceError as error:
        assert "quote" in str(error)
        return
    rows = sorted([*clean[ROW].to_list(), *(row for row, *_ in rejected)])
    assert rows == list(range(1, len(rows) + 1))
    if quote is None:  # a row then is a line that is not empty
        lines_in_file = [line for line in content.split(b"\n")[1:] if line]
        assert len(rows) == len(lines_in_file)


def test_row_numbers_stay_right_when_a_file_is_read_in_many_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(contracts.tables.text.delimited, "BLOCK_BYTES", 64)
    lines = [f"v{i},{i % 2}" if i % 7 else f"v{i}" for i in range(1, 200)]
    lines[49] = "v50,\xff"
    clean, rejected = check_text(tmp_path, ("c,y\n" + "\n".join(lines)).encode("latin-1"), FEATURE, LABEL)
    assert [row for row, *_ in rejected] == sorted([i for i in range(1, 200) if i % 7 == 0] + [50])
    assert clean["c"].to_list() == [f"v{i}" for i in clean[ROW].to_list()]
    assert len(clean) + len(rejected) == 199
