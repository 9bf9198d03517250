"""What a whole file can have wrong, each with its sentence; and what it may be without complaint."""

import gzip
import math
import re

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from contracts.dataset.source import SourceError
from contracts.tables.chunk import ROW
from contracts.tables.text.decoding import Utf8Stream
from tests.contracts.declared import FEATURE, LABEL, check_file, check_text, declared

TWO_ROWS = [("a", 0), ("b", 1)]
PLAIN = "c,y\na,0\nb,1\n"


def read(path, **source):
    clean, rejected = check_file(path, declared(FEATURE, LABEL, source={"files": ["*"], **source}))
    assert rejected == []
    return clean.drop(ROW).rows()


def write(tmp_path, name, content):
    (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return tmp_path / name


FILES = {  # content and format that give the same two rows
    "plain": (PLAIN, {}),
    "no newline at the end": ("c,y\na,0\nb,1", {}),
    "byte order mark": (b"\xef\xbb\xbf" + PLAIN.encode(), {}),
    "CRLF": (PLAIN.replace("\n", "\r\n"), {}),
    "old Mac": (PLAIN.replace("\n", "\r"), {}),
    "other order": ("y,c\n0,a\n1,b\n", {}),
    "quoted": ('"c","y"\n"a","0"\n"b","1"\n', {}),
    "blank lines": ("\n\nc,y\n\na,0\n\nb,1\n\n", {}),
    "semicolon": (PLAIN.replace(",", ";"), {"delimiter": ";"}),
    "tab": (PLAIN.replace(",", "\t"), {"delimiter": "\t"}),
    "no header": ("a,0\nb,1\n", {"header": False}),
    "no header, names": ("0,a\n1,b\n", {"header": False, "names": ["y", "c"]}),
    "preface": ("# export\nof today, 2 rows\nc,y\na,0\nb,1\n", {"skip_lines": 2}),
    "spaces": ("c,y\na , 0\nb,1 \n", {"strip": True}),
    "spaces in the header": ("c , y\na , 0\nb,1 \n", {"strip": True}),
    "latin-1": (PLAIN.encode("latin-1"), {"encoding": "latin-1"}),
    "utf-16": (PLAIN.encode("utf-16"), {"encoding": "utf-16"}),
    "utf-32": (PLAIN.encode("utf-32"), {"encoding": "utf-32"}),
    "utf-32-be": (PLAIN.encode("utf-32-be"), {"encoding": "utf-32-be"}),
}


@pytest.mark.parametrize("kind", FILES)
def test_file_is_read(tmp_path, kind):
    content, fmt = FILES[kind]
    assert read(write(tmp_path, "rows.csv", content), format=fmt) == TWO_ROWS


def test_gzip_is_read_also_in_several_members(tmp_path):
    content = gzip.compress(b"c,y\na,0\n") + gzip.compress(b"b,1\n")
    assert read(write(tmp_path, "rows.csv.gz", content)) == TWO_ROWS


def test_text_of_another_encoding_is_read_as_it_was_meant(tmp_path):
    content = "c,y\nîle €,0\n".encode("cp1252")
    assert read(write(tmp_path, "rows.csv", content), format={"encoding": "cp1252"}) == [("île €", 0)]


def test_a_quoted_cell_may_hold_delimiters_quotes_and_line_breaks(tmp_path):
    clean, rejected = check_text(tmp_path, 'c,y\n"a,""b""\nc",0\nd,1\n', FEATURE, LABEL)
    assert clean.rows() == [('a,"b"\nc', 0, 1), ("d", 1, 2)]
    assert rejected == []


def test_an_escape_character_makes_a_quote_part_of_the_cell(tmp_path):
    clean, _ = check_text(tmp_path, 'c,y\n"a\\"b",0\n', FEATURE, LABEL, source={"format": {"escape": "\\"}})
    assert clean["c"].to_list() == ['a"b']


def test_quotes_without_meaning_are_part_of_the_cell(tmp_path):
    clean, _ = check_text(tmp_path, 'c,y\n5" screen,0\n"b,1\n', FEATURE, LABEL, source={"format": {"quote": None}})
    assert clean["c"].to_list() == ['5" screen', '"b']


BROKEN = {  # file name, content, words of the sentence
    "missing column": ("a.csv", "c\na\n", r"one column when split at ',', expected 2"),
    "missing one of three": ("a.csv", "c,z\na,1\n", r"lacks the declared column 'y'; it has c, z"),
    "extra column": ("a.csv", "c,y,z,w\na,1,1,1\n", r"has the column 'z' \(and 1 more\) that is not declared"),
    "semicolons": ("a.csv", "c;y\na;1\n", r"separated by ';'; set source.format.delimiter"),
    "tabs": ("a.csv", "c\ty\na\t1\n", r"separated by '\\t'"),
    "duplicate header": ("a.csv", "c,c\na,1\n", r"column 'c' twice"),
    "empty": ("a.csv", "", r"is empty; remove it or send it again"),
    "header only": ("a.csv", "c,y\n", r"has a header but no rows"),
    "blank": ("a.csv", "\n\n", r"has no rows"),
    "cut gzip": ("a.csv.gz", gzip.compress(PLAIN.encode() * 99)[:-20], r"cut off; send it again"),
    "no gzip": ("a.csv.gz", PLAIN, r"the content is not gzip"),
    "empty gzip": ("a.csv.gz", gzip.compress(b""), r"has no rows"),
    "gzip without suffix": ("a.csv", gzip.compress(PLAIN.encode()), r"give it the suffix .gz"),
    "zip": ("a.csv", b"PK\x03\x04rest", r"zip archive \(or an Excel file\); unpack it"),
    "parquet as csv": ("a.csv", b"PAR1rest", r"is a Parquet file"),
    "no parquet": ("a.parquet", b"garbage", r"not a readable Parquet file"),
    "utf-16 header": ("a.csv", PLAIN.encode("utf-16"), r"begins with the byte order mark of utf-16, declared is utf-8; set "),
    "utf-16 without a mark": ("a.csv", PLAIN.encode("utf-16-le"), r"begins with zero bytes, as UTF-16 does; set source.format"),
    "utf-32 header": ("a.csv", PLAIN.encode("utf-32"), r"begins with the byte order mark of utf-32, declared is utf-8; set "),
    "utf-32 without a mark": ("a.csv", PLAIN.encode("utf-32-be"), r"begins with zero bytes, as UTF-32 does; set source.format"),
    "latin-1 header": ("a.csv", "é,y\na,1\n".encode("latin-1"), r"the header is not utf-8 \(\\xe9, y\)"),
    "quote never closed": ("a.csv", 'c,y\na,0\n"b,1\nc,1\n', r"row 2 runs over 2 lines, so a quote is probably never"),
    "last quote never closed": ("a.csv", 'y,c\n0,a\n1,"b\n1,c\n', r"row 2 runs over 2 lines"),
    "the very last quote never closed": ("a.csv", 'y,c\n0,a\n1,"b\n', r"row 2 opens a quote that is never closed; correct it"),
    "quote closed much later": ("a.csv", 'y,c\n0,"a\n' + "1,b\n" * 60 + '1,c"\n', r"row 1 runs over 62 lines"),
    "no row fits": ("a.csv", "c,y\na,0,1,2\nb,1,1,2\n", r"no row has the 2 columns of the header; the first has 4"),
    "no row fits a quoted cell": ("a.csv", 'c,y\n"a,b,c",0,1,2\n', r"no row has the 2 columns of the header; the first has 4"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_file_that_cannot_be_used_gives_one_sentence(tmp_path, kind):
    name, content, words = BROKEN[kind]
    with pytest.raises(SourceError, match=words) as error:
        read(write(tmp_path, name, content))
    assert str(tmp_path / name) in str(error.value)
    assert "\n" not in str(error.value)


LEFT = "if {}, set source.format: {{header: false, skip_lines: {}, names: [{}]}} and put '{}' in leave_out"


@pytest.mark.parametrize(
    ("content", "skip", "advice"),
    [
        ('"c","y"\n"1","a",0\n"2","b",1\n', 0, LEFT.format("R writes the rows' names so, in front", 1, "row, c, y", "row")),
        ("# of today\nc,y\n1,a,0\n2,b,1\n", 1, LEFT.format("R writes the rows' names so, in front", 2, "row, c, y", "row")),
        ("c,y\na,0,\nb,1,\n", 0, LEFT.format("the rows end in a delimiter", 1, "c, y, nothing", "nothing")),
    ],
)
def test_a_header_one_name_short_says_how_to_name_the_column_and_then_the_file_is_read(tmp_path, content, skip, advice):
    path = write(tmp_path, "a.csv", content)
    with pytest.raises(SourceError, match=re.escape(f"one cell more than the header has names (2); {advice}")):
        read(path, format={"skip_lines": skip})
    told = yaml.safe_load(re.search(r"\{.*?\}", advice)[0])
    left_out = [{"name": advice.split("'")[-2], "why": "no column"}]
    clean, rejected = check_file(path, declared(FEATURE, LABEL, source={"files": ["*"], "format": told}, leave_out=left_out))
    assert (clean.drop(ROW).rows(), rejected) == (TWO_ROWS, [])


@pytest.mark.parametrize("end", ["\n", "\r\n\r\n", ""])
def test_quoted_cells_may_end_in_a_line_break(tmp_path, monkeypatch, end):
    monkeypatch.setattr("contracts.tables.text.delimited.BLOCK_BYTES", 64)
    monkeypatch.setattr("contracts.tables.text.delimited.TEXT_ROWS", 1)
    path = write(tmp_path, "a.csv", "y,c\n" + '1,"b\n"\n' * 60 + '0,"last\n"' + end)
    assert [cell for cell, _ in read(path)] == ["b\n"] * 60 + ["last\n"]


@pytest.mark.parametrize(
    ("content", "fmt", "words"),
    [
        (PLAIN.encode("utf-8-sig"), {"encoding": "latin-1"}, "begins with the byte order mark of utf-8, declared is latin-1"),
        (
            PLAIN.encode("utf-16-le"),
            {"encoding": "utf-16"},
            "is not utf-16 .*; set source.format.encoding, to utf-16-le or",
        ),
        (
            PLAIN.encode("utf-32"),
            {"encoding": "utf-16"},
            "begins with the byte order mark of utf-32, declared is utf-16; set source.format.encoding: utf-32",
        ),
        (PLAIN.encode(), {"skip_lines": 20_000}, "has no rows, or fewer lines than source.format.skip_lines, 20000"),
    ],
)
def test_a_format_that_is_not_the_file_s_gives_one_sentence(tmp_path, content, fmt, words):
    with pytest.raises(SourceError, match=words):
        read(write(tmp_path, "a.csv", content), format=fmt)


def test_a_stream_that_is_given_up_ends_at_once_for_who_reads_on():
    stream = Utf8Stream(pa.BufferReader(b"a" * 1000), "utf-8")
    assert stream.read(10) == b"a" * 10
    stream.give_up()
    assert stream.read(10) == b""


def test_a_headerless_file_with_another_delimiter_gives_one_sentence(tmp_path):
    with pytest.raises(SourceError, match="separated by ';'"):
        read(write(tmp_path, "a.csv", "a;0\nb;1\n"), format={"header": False})


def test_headerless_names_must_be_the_declared_columns(tmp_path):
    path = write(tmp_path, "a.csv", "a,0\n")
    with pytest.raises(SourceError, match="names lacks the declared column 'y'"):
        read(path, format={"header": False, "names": ["c", "x"]})
    with pytest.raises(SourceError, match="names has 'x', which is not declared"):
        read(path, format={"header": False, "names": ["c", "y", "x"]})


def test_headerless_tsv_with_ranges_of_names_reads_columns_in_order(tmp_path):
    ranged = {"name": "I{1..3}", "role": "numeric", "dtype": "int", "nullable": True}
    clean, _ = check_text(
        tmp_path, "1\t10\t\t30\tx\n0\t-1\t2\t3\ty\n", LABEL, ranged, FEATURE,
        source={"format": {"header": False, "delimiter": "\t"}},
    )  # fmt: skip
    assert clean.drop(ROW).rows() == [(1, 10, None, 30, "x"), (0, -1, 2, 3, "y")]


def test_parquet_types_are_read_as_declared(tmp_path):
    frame = pl.DataFrame(
        {
            "c": pl.Series(["a", "b", None], dtype=pl.Categorical),
            "x": [1.0, float("nan"), 3.0],
            "flag": [True, False, None],
            "y": [True, False, True],
        }
    )
    frame.write_parquet(tmp_path / "a.parquet")
    columns = [
        {**FEATURE, "nullable": True},
        {"name": "x", "role": "numeric", "dtype": "int", "nullable": True},
        {"name": "flag", "role": "categorical", "dtype": "bool", "nullable": True},
        {"name": "y", "role": "label", "dtype": "bool"},
    ]
    clean, rejected = check_file(tmp_path / "a.parquet", declared(*columns))
    assert rejected == []
    assert clean.drop(ROW).rows() == [("a", 1, True, 1), ("b", None, False, 0), (None, 3, None, 1)]


def test_parquet_says_what_it_cannot_read(tmp_path):
    pl.DataFrame({"c": [["a"]], "y": [1]}).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(SourceError, match=r"column 'c' holds List\(String\), which no dtype takes; leave it out"):
        check_file(tmp_path / "a.parquet", declared(FEATURE, LABEL))
    pl.DataFrame({"t": [1], "c": ["a"], "y": [1]}).write_parquet(tmp_path / "b.parquet")
    time = {"name": "t", "role": "time", "dtype": "datetime"}
    with pytest.raises(SourceError, match="column 't' holds numbers; set its format to epoch_s"):
        check_file(tmp_path / "b.parquet", declared(time, FEATURE, LABEL))
    pl.DataFrame(schema={"c": pl.String, "y": pl.Int8}).write_parquet(tmp_path / "c.parquet")
    with pytest.raises(SourceError, match="holds no rows"):
        check_file(tmp_path / "c.parquet", declared(FEATURE, LABEL))


def test_parquet_rows_are_numbered_through_batches(tmp_path):
    frame = pl.DataFrame({"c": [str(i) for i in range(300_000)], "y": [i % 2 for i in range(300_000)]})
    pq.write_table(frame.to_arrow(), tmp_path / "a.parquet", row_group_size=70_000)
    clean, _ = check_file(tmp_path / "a.parquet", declared(FEATURE, LABEL))
    assert clean["c"].cast(pl.Int64).to_list() == [row - 1 for row in clean[ROW].to_list()]
    assert len(clean) == 300_000


def test_left_out_columns_are_not_looked_at(tmp_path):
    left_out = [{"names": ["a", "b"], "why": "not known in time"}]
    clean, rejected = check_text(tmp_path, b"a,c,b,y\n\xff,x,1,0\n", FEATURE, LABEL, leave_out=left_out)
    assert clean.columns == ["c", "y", ROW]
    assert rejected == []
    assert math.isclose(clean["y"].sum(), 0)
