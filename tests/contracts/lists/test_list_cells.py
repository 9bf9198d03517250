"""Cells with several values: what becomes of them, value by value, and what the contract says."""

import json
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.dataset.source import SourceError
from contracts.tables.chunk import ROW, Chunk
from contracts.tables.contract import contract_of
from tests.contracts.declared import FEATURE, LABEL, check_file, check_text, declared

SET = {"name": "s", "role": "set", "dtype": "string", "longest": 3, "delimiter": "|", "nullable": True}
SEQUENCE = {"name": "q", "role": "sequence", "dtype": "int", "longest": 2, "delimiter": ",", "nullable": True}
FEW = settings(max_examples=40, deadline=None)
NUMBERS = st.lists(st.integers(-9, 99), max_size=6)


def slots_of(rows: pl.DataFrame, name: str) -> list[tuple[Any, ...]]:
    return rows.select(pl.col(f"^{name}\\[.*$")).rows()


def checked(column: dict[str, Any], cells: list[Any] | pl.Series) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Slots of the good rows, and row, column, rule and value of the bad ones, of a table in memory."""
    name = column["name"]
    numbers = pl.Series(ROW, range(1, len(cells) + 1), dtype=pl.UInt32)
    rows = pl.DataFrame([pl.Series(name, cells), pl.Series("y", ["1"] * len(cells)), numbers])
    good, bad = contract_of(declared(column, LABEL), (), None).check(Chunk(rows=rows))
    return slots_of(good, name), [row[:4] for row in bad.rows()]


def as_sequence(values: list[Any], longest: int, end: str) -> tuple[Any, ...]:
    kept = values[-longest:] if end == "last" else values[:longest]
    return (*reversed(kept), *[None] * (longest - len(kept)))


def as_set(values: list[Any], longest: int) -> tuple[Any, ...]:
    kept = sorted(set(values))[:longest]
    return (*kept, *[None] * (longest - len(kept)))


@FEW
@given(st.lists(NUMBERS, min_size=1, max_size=8), st.integers(1, 4), st.sampled_from(["first", "last"]), st.booleans())
def test_a_sequence_has_the_newest_value_first(cells, longest, end, is_text):
    column = SEQUENCE | {"longest": longest, "end": end}
    given_cells = [",".join(map(str, cell)) for cell in cells] if is_text else pl.Series(cells, dtype=pl.List(pl.Int32))
    assert checked(column, given_cells) == ([as_sequence(cell, longest, end) for cell in cells], [])


@FEW
@given(st.lists(NUMBERS, min_size=1, max_size=8), st.integers(1, 4), st.randoms())
def test_a_set_is_the_same_in_whatever_order_it_is_written(cells, longest, random):
    for dtype in ("int", "string"):
        column = SET | {"longest": longest, "dtype": dtype}
        values = [cell if dtype == "int" else list(map(str, cell)) for cell in cells]
        turned = [random.sample(cell * 2, len(cell) * 2) for cell in cells]
        found, _ = checked(column, ["|".join(map(str, cell)) for cell in cells])
        assert found == checked(column, ["|".join(map(str, cell)) for cell in turned])[0]
        assert found == [as_set(cell, longest) for cell in values]


@FEW
@given(st.lists(st.text("ab,", max_size=5), min_size=1, max_size=30))
def test_cells_that_repeat_are_what_they_are_alone(cells):
    """A chunk holds each of its cells once; the slots are those of every cell alone."""
    column = SEQUENCE | {"dtype": "string", "longest": 3}
    distinct = sorted(set(cells))
    places = pl.Series("q", [distinct.index(cell) for cell in cells], dtype=pl.UInt32)
    numbers = pl.Series(ROW, range(1, len(cells) + 1), dtype=pl.UInt32)
    rows = pl.DataFrame([places, pl.Series("y", ["1"] * len(cells)), numbers])
    chunk = Chunk(rows=rows, distinct=pl.DataFrame({"q": distinct}))
    good, bad = contract_of(declared(column, LABEL), (), None).check(chunk)
    assert (slots_of(good, "q"), len(bad)) == (checked(column, cells)[0], 0)


def test_a_value_that_breaks_a_rule_is_named_with_its_row_also_where_it_would_not_be_kept(tmp_path):
    text = 's,q,y\na|B|c|Q,,1\n,"1,x,2,3",0\na,"5,5,5,77",1\nlong,"-3,1,2",0\nb,"1,2,3",1\n'
    rules = {"pattern": "[a-z]+", "max_length": 3}
    clean, bad = check_text(tmp_path, text, SET | rules, SEQUENCE | {"min": 0, "max": 50}, LABEL)
    assert slots_of(clean, "q") == [(3, 2)]
    assert [row[:4] for row in bad] == [
        (1, "s", "pattern", "B"), (2, "q", "dtype", "x"), (3, "q", "max", "77"), (4, "s", "max_length", "long"),
    ]  # fmt: skip
    assert bad[3][4] == 2  # columns that the row breaks rules of


def test_missing_cells_and_empty_lists_are_two_things():
    strict, text = SEQUENCE | {"nullable": False}, SET | {"nullable": False, "missing": ["-", "none"]}
    lists = pl.Series([[1], [], None, [None, 4]], dtype=pl.List(pl.Int64))
    assert checked(strict, lists) == ([(1, None), (None, None), (4, None)], [(3, "q", "not_null", None)])
    found, bad = checked(text, ["a", "", "-", "none|b|", "|", None])
    assert (found, [row[0] for row in bad]) == ([("a", None, None), ("b", None, None), (None, None, None)], [2, 3, 6])


@pytest.mark.parametrize("column", [SET, SEQUENCE | {"dtype": "string"}])
def test_only_missing_cells_make_empty_slots(column):
    width = column["longest"]
    assert checked(column, ["", None, ""]) == ([(None,) * width] * 3, [])
    assert checked(column, pl.Series([None, None], dtype=pl.Null)) == ([(None,) * width] * 2, [])


def test_numbers_in_lists_are_read_as_exactly_as_alone():
    big = 2**53
    assert checked(SEQUENCE, [f"0{big + 1},+3.0", f"{2**64}"]) == ([(3, big + 1)], [(2, "q", "int64", str(2**64))])
    assert checked(SEQUENCE, pl.Series([[1.0, 2.0], [float(big)]]))[1] == [(2, "q", "exact", "9007199254740992.0")]
    assert checked(SET | {"dtype": "int"}, ["3|03|3.0|1"])[0] == [(1, 3, None)]


def test_json_lines_hold_lists_or_texts(tmp_path):
    lines = [
        {"s": ["b", "a", "b"], "q": [1, 2, 3], "y": 1},
        {"s": "c|a", "q": None, "y": 0},
        {"s": [], "q": [4, None, "5"], "y": 0},
        {"s": [["a"]], "q": [1], "y": 0},
        {"s": {"a": 1}, "q": [1], "y": 0},
        {"s": ["a"], "q": [True], "y": 0},
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    clean, bad = check_file(path, declared(SET, SEQUENCE, LABEL))
    assert slots_of(clean, "s") == [("a", "b", None), ("a", "c", None), (None, None, None)]
    assert slots_of(clean, "q") == [(3, 2), (None, None), (5, 4)]
    assert [row[:4] for row in bad] == [
        (4, "s", "dtype", '[["a"]]'), (5, "s", "dtype", '{"a": "1"}'), (6, "q", "dtype", "true"),
    ]  # fmt: skip


def test_parquet_holds_lists_of_every_kind(tmp_path):
    path = tmp_path / "rows.parquet"
    pl.DataFrame(
        {
            "s": pl.Series([["b", "a"], None, []], dtype=pl.List(pl.Categorical)),
            "q": pl.Series([[1, 2], [3, 4], [5, 6]], dtype=pl.Array(pl.UInt8, 2)),
            "y": [1, 0, 1],
        }
    ).write_parquet(path)
    clean, bad = check_file(path, declared(SET, SEQUENCE, LABEL))
    assert (slots_of(clean, "q"), bad) == ([(2, 1), (4, 3), (6, 5)], [])
    assert slots_of(clean, "s") == [("a", "b", None), (None, None, None), (None, None, None)]


@pytest.mark.parametrize(
    ("column", "cells", "message"),
    [
        (SET | {"delimiter": None}, ["a|b"], r"column 's' holds texts such as 'a\|b'; set its delimiter"),
        (SEQUENCE, [1, 2], "column 'q' holds Int64, and its role is sequence: a cell is a list, or a text with a delimiter"),
        (SEQUENCE, pl.Series([[[1]]]), r"column 'q' holds List\(Int64\)"),
        (SEQUENCE, pl.Series([[{"a": 1}]]), "column 'q' holds Struct"),
    ],
)
def test_cells_that_hold_no_values_are_refused(column, cells, message):
    with pytest.raises(SourceError, match=message):
        checked(column, cells)


def test_a_side_table_may_bring_a_column_with_several_values(tmp_path):
    from contracts.tables.raw import side_tables

    (tmp_path / "films.csv").write_text("film,s\n1,b|a\n2,\n")
    (tmp_path / "rows.csv").write_text("film,y\n2,1\n1,0\n")
    source = {"joins": [{"files": "films.csv", "key": "film"}], "files": ["rows.csv"]}
    declaration = declared({"name": "film", "role": "categorical", "dtype": "int"}, SET, LABEL, source=source)
    clean, bad = check_file(tmp_path / "rows.csv", declaration, side_tables(tmp_path, declaration))
    assert (slots_of(clean, "s"), bad) == ([(None, None, None), ("a", "b", None)], [])


def test_a_column_with_several_values_may_have_begun_later(tmp_path):
    late = SET | {"since": "2024-02", "nullable": False}
    for month, text in (("2024-01", "c,y\nx,1\n"), ("2024-02", "c,s,y\nx,b,1\nx,,0\n")):
        (tmp_path / f"{month}.csv").write_text(text)
    found = [check_file(tmp_path / f"2024-0{month}.csv", declared(late, FEATURE, LABEL)) for month in (1, 2)]
    assert [slots_of(clean, "s") for clean, _ in found] == [[(None, None, None)], [("b", None, None)]]
    assert [bad for _, bad in found] == [[], [(2, "s", "not_null", "", 1)]]
