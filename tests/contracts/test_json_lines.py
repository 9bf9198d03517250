"""JSON lines: an object a line, under the same contract as text."""

import gzip
import json
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from contracts.dataset.source import SourceError
from contracts.tables.chunk import ROW
from contracts.tables.raw import side_tables
from contracts.tables.text import json_lines
from contracts.tables.text.json_lines import is_json_lines
from contracts.tables.text.json_object import NoObject, parsed_object
from tests.contracts.declared import FEATURE, LABEL, check_file, declared

NUMBER = {"name": "n", "role": "numeric", "dtype": "float", "nullable": True}
ID = {"name": "id", "role": "key", "dtype": "int"}


def read(tmp_path: Path, content: str | bytes, *columns, name="rows.jsonl", tables=(), **more):
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return check_file(tmp_path / name, declared(*columns, **more), tables)


def test_objects_are_rows_and_what_is_not_there_is_missing(tmp_path):
    content = '{"c": "a", "y": 0, "n": 1.5}\n\n{"y":true,"c":"b"}\r\n{"n": null, "c": "x\\ny", "y": "1"}'
    clean, rejected = read(tmp_path, content, FEATURE, NUMBER, LABEL | {"dtype": "bool"})
    assert rejected == []
    assert clean.rows() == [("a", 1.5, 0, 1), ("b", None, 1, 3), ("x\ny", None, 1, 4)]
    assert clean.columns == ["c", "n", "y", ROW]


def test_no_digit_is_lost(tmp_path):
    numbers = ["9007199254740993", "9007199254740993.0", "9.007199254740995e15", "12.0"]
    content = "".join(f'{{"id": {number}, "c": "a", "y": 1}}\n' for number in numbers)
    clean, rejected = read(tmp_path, content, ID, FEATURE, LABEL)
    assert clean["id"].to_list() == [9007199254740993, 9007199254740995, 12]
    assert rejected == [(2, "id", "unique", "9007199254740993.0", 1)]


def test_bad_lines_are_quarantined_with_their_number(tmp_path):
    lines = [
        '{"c": "a", "y": 0}', '{"c": "a", "y": 0', "", "[1, 2]", '{"c": "a", "c": "b", "y": 0}', '{"c": "\\ud800", "y": 0}',
        '{"c": ["a"], "y": 0}', '{"c": {"x": 1}, "y": "2"}', "[" * 100_000, '{"c": "b", "y": 1}',
    ]  # fmt: skip
    clean, rejected = read(tmp_path, "\n".join(lines), FEATURE, LABEL)
    assert clean.rows() == [("a", 0, 1), ("b", 1, 10)]
    assert [row[:3] for row in rejected] == [
        *((line, "", "json") for line in (2, 4, 5, 6)), (7, "c", "dtype"), (8, "c", "dtype"), (9, "", "json"),
    ]  # fmt: skip
    assert rejected[0][3] == '{"c": "a", "y": 0' and rejected[4][3] == '["a"]'


def test_bytes_that_are_no_utf8_cost_their_row(tmp_path):
    clean, rejected = read(tmp_path, b'{"c": "\xff", "y": 0}\n\xfe{"c": "a", "y": 0}\n{"c": "b", "y": 1}\n', FEATURE, LABEL)
    assert rejected == [(1, "c", "encoding", "\\xff", 1), (2, "", "json", '\\xfe{"c": "a", "y": 0}', 1)]
    assert clean["c"].to_list() == ["b"]


@pytest.mark.parametrize(
    ("name", "packed"),
    [
        ("rows.ndjson", bytes),
        ("rows.jsonl.gz", gzip.compress),
        ("rows.jsonl.zst", lambda data: pa.compress(data, "zstd", asbytes=True)),
    ],
)
def test_they_may_be_compressed(tmp_path, name, packed):
    content = "\ufeff" + "".join(f'{{"c": "a{i}", "y": {i % 2}}}\n' for i in range(500))
    clean, rejected = read(tmp_path, packed(content.encode()), FEATURE, LABEL, name=name)
    assert rejected == [] and clean["c"].to_list() == [f"a{i}" for i in range(500)]
    assert is_json_lines(tmp_path / name) and not is_json_lines(tmp_path / "rows.json.csv")


def test_the_pieces_do_not_matter(tmp_path, monkeypatch):
    content = "".join(f'{{"c": "a{i}", "y": {i % 2}}}\n' for i in range(500)) + "no\n"
    whole = read(tmp_path, content, FEATURE, LABEL)
    monkeypatch.setattr(json_lines, "CHUNK_ROWS", 7)
    monkeypatch.setattr(json_lines, "PIECE_BYTES", 11)
    cut = read(tmp_path, content, FEATURE, LABEL)
    assert cut[0].equals(whole[0]) and cut[1] == whole[1] == [(501, "", "json", "no", 1)]


def test_columns_are_renamed_left_out_and_nested_ones_too(tmp_path):
    content = '{"C": "a", "y": 1, "more": {"deep": [1]}}\n{"c": "b", "y": 0}\n'
    out, source = [{"name": "more", "why": "nested"}], {"rename": {"C": "c"}}
    with pytest.raises(SourceError, match="has 'C' and 'c', and source.rename calls the first as the second"):
        read(tmp_path, content, FEATURE, LABEL, leave_out=out, source=source)
    clean, rejected = read(tmp_path, content.replace('"c"', '"C"'), FEATURE, LABEL, leave_out=out, source=source)
    assert rejected == [] and clean["c"].to_list() == ["a", "b"]


@pytest.mark.parametrize(
    ("content", "source", "words"),
    [
        ('{"c": "a", "y": 1}\n{"c": "a", "y": 1, "z": 2}\n', {}, "has the column 'z' that is not declared"),
        ('{"c": "a"}\n{"c": "b"}\n', {}, "lacks the declared column 'y'; it has c"),
        ("", {}, "is empty"),
        ("\n\n", {}, "has no rows"),
        ('[{"c": "a", "y": 1}]\n', {}, "is one JSON array; JSON lines have an object a line"),
        ('{\n"c": "a",\n"y": 1}\n', {}, "has no line that is a JSON object; line 1 is no whole one"),
        ('{"c": "a", "y": 1}\n', {"format": {"decimal": ","}}, "whose numbers have a decimal point"),
        ('{"c": "a", "y": 1}\n', {"format": {"encoding": "utf-16"}}, "is not utf-16"),
        ("PK\x03\x04", {}, "is a zip archive"),
    ],
)
def test_a_file_that_cannot_be_right_is_refused(tmp_path, content, source, words):
    with pytest.raises(SourceError, match=words):
        read(tmp_path, content, FEATURE, LABEL, source=source)


def test_a_line_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(json_lines, "LONGEST_LINE", 100)
    monkeypatch.setattr(json_lines, "PIECE_BYTES", 64)
    with pytest.raises(SourceError, match="line 2 is longer than"):
        read(tmp_path, '{"c": "a", "y": 1}\n{"c": "' + "a" * 500, FEATURE, LABEL)


def test_a_side_table_may_be_written_so(tmp_path):
    (tmp_path / "items.jsonl").write_text('{"item": 1, "n": 1.5, "tags": []}\n{"item": 2}\n')
    item = {"name": "item", "role": "info", "dtype": "int"}
    join = {"files": "items.jsonl", "key": "item", "leave_out": [{"name": "tags", "why": "a list"}]}
    declaration = declared(item, NUMBER, FEATURE, LABEL, source={"joins": [join], "format": {"decimal": ","}})
    tables = side_tables(tmp_path, declaration)
    (tmp_path / "rows.csv").write_text("item,c,y\n1,a,0\n2,b,1\n")
    clean, rejected = check_file(tmp_path / "rows.csv", declaration, tables)
    assert rejected == [] and clean["n"].to_list() == [1.5, None]
    (tmp_path / "items.jsonl").write_text('{"item": 1, "n": 1.5, "tags": []}\n{"item": 2\n')
    with pytest.raises(SourceError, match="row 2 is no JSON object: .*; a side table has to be whole"):
        side_tables(tmp_path, declaration)
    (tmp_path / "items.jsonl").write_text('{"item": 1, "n": [1], "tags": []}\n')
    with pytest.raises(SourceError, match="row 1 has a list or an object in 'n'"):
        side_tables(tmp_path, declaration)


def test_half_a_character_is_no_text_and_a_whole_one_is():
    assert parsed_object(r'{"a": "\ud83d\ude00"}') == {"a": "\U0001f600"}
    for line in (r'{"a": "\ud83d"}', r'{"\uDE00": 1}', "1", "null", '{"a": {"b": 1, "b": 2}}'):
        with pytest.raises(NoObject):
            parsed_object(line)


def test_the_same_rows_as_from_text_are_the_same(tmp_path):
    rows = pl.DataFrame({"c": ["a", "b", None] * 30, "n": [0.1, None, 3.0] * 30, "y": [0, 1, 1] * 30})
    rows.write_csv(tmp_path / "rows.csv")
    columns = (FEATURE | {"nullable": True}, NUMBER, LABEL)
    text, _ = check_file(tmp_path / "rows.csv", declared(*columns))
    lines, _ = read(tmp_path, "".join(json.dumps(row) + "\n" for row in rows.iter_rows(named=True)), *columns)
    assert lines.equals(text)
