"""Lines before the header: counted in every file by themselves, or said to be there when the header was looked for in vain."""

import gzip

import polars as pl
import pytest

from contracts.dataset.source import Format, SourceError
from contracts.tables.chunk import ROW
from contracts.tables.joins import read_side_table
from tests.contracts.declared import FEATURE, LABEL, check_file, declared

TO_HEADER = {"skip_lines": "to_header"}
BEFORE = {  # lines before a header of the names c and y
    "nothing": "",
    "one line": "# exported today\n",
    "lines of every kind": "report; of May\n\n  by c, y and others,,,\n\n",
    "a quote that is never closed": 'a 5" screen\n',
    "one of the names": "c\n",
}


def read(path, fmt, *columns, **source):
    clean, rejected = check_file(path, declared(*(columns or (FEATURE, LABEL)), source={"format": fmt, **source}))
    return clean.rows(), rejected


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("before", BEFORE)
def test_the_header_is_found_and_rows_are_counted_from_it(tmp_path, before, end):
    text = f"{BEFORE[before]}y,c\n0,a\n1,b,2\n1,d\n".replace("\n", end)
    (tmp_path / "rows.csv").write_bytes(text.encode())
    rows, rejected = read(tmp_path / "rows.csv", TO_HEADER)
    assert rows == [("a", 0, 1), ("d", 1, 3)]
    assert [(row, rule, text) for row, _, rule, text, _ in rejected] == [(2, "columns", "1,b,2")]


@pytest.mark.parametrize(
    ("name", "content", "fmt"),
    [
        ("a.csv", "# été\nc,y\na,0\n".encode("utf-16"), {"encoding": "utf-16"}),
        ("a.csv", "# été\nc,y\na,0\n".encode("latin-1"), {"encoding": "latin-1"}),
        ("a.csv", b"\xef\xbb\xbfc,y\na,0\n", {}),
        ("a.csv.gz", gzip.compress(b"# packed\nc,y\na,0\n", mtime=0), {}),
        ("a.csv", b"made by; x\n c ;'y'\na;0\n", {"delimiter": ";", "strip": True, "quote": "'"}),
    ],
)
def test_the_header_is_found_in_the_declared_encoding_and_format(tmp_path, name, content, fmt):
    (tmp_path / name).write_bytes(content)
    assert read(tmp_path / name, TO_HEADER | fmt) == ([("a", 0, 1)], [])


def test_files_of_one_data_set_may_differ(tmp_path):
    for number, before in enumerate(("", "# x\n", "# x\n# y\n# z\n")):
        path = tmp_path / f"{number}.csv"
        path.write_text(f"{before}c,y\na{number},0\n")
        assert read(path, TO_HEADER) == ([(f"a{number}", 0, 1)], [])


def test_the_header_is_found_by_old_and_by_new_names(tmp_path):
    for names in ("cat_idx,y", "c,y"):
        (tmp_path / "a.csv").write_text(f"c,x\n{names}\na,0\n")
        assert read(tmp_path / "a.csv", TO_HEADER, rename={"cat_idx": "c"}) == ([("a", 0, 1)], [])


def test_a_side_table_is_found_by_its_key_and_what_the_join_names(tmp_path):
    (tmp_path / "items.csv").write_text("items of 2024\n\nitem,price,note\n1,2.5,x\n")
    join = {"files": "items.csv", "key": "id", "rename": {"item": "id"}, "format": TO_HEADER}
    key, price = {"name": "id", "role": "info", "dtype": "int"}, {"name": "price", "role": "numeric", "dtype": "float"}
    declaration = declared(
        key, price, FEATURE, LABEL, source={"joins": [join | {"leave_out": [{"name": "note", "why": "free text"}]}]}
    )
    [made] = declaration.source.joins
    table = read_side_table([tmp_path / "items.csv"], tmp_path, made, (declaration.column("id"),), (Format(),)).table
    assert table.select("price").rows() == [("2.5",)]


SENTENCES = {  # content, format, words
    "a fixed number too low": (
        "# x\nby, me\nc,y\na,0\n", {"skip_lines": 1}, "its header is line 3; set source.format.skip_lines: 2, or to_header where",
    ),
    "none at all": ("# x\n\nc,y\na,0\n", {}, "its header is line 3; set source.format.skip_lines: 2, or to_header"),
    "no header": (
        "# x\nq,z\na,0\n", TO_HEADER, "none of the first 200 lines is the header, .* it names c, y; correct columns, or",
    ),
    "a header too far down": (
        "# x\n" * 200 + "c,y\na,0\n", TO_HEADER, "none of the first 200 lines is the header, which source.format.skip_lines",
    ),
    "another delimiter": ("# x\nc;y\na;0\n", TO_HEADER, "none of the first 200 lines is the header, .* or the delimiter, or"),
    "a header that lacks a name": ("# x\nq,y\na,0\n", TO_HEADER, "lacks the declared column 'c'; it has q, y; if 'q' is that"),
    "a header alone": ("# x\nc,y\n", TO_HEADER, "has a header but no rows"),
}  # fmt: skip


@pytest.mark.parametrize("kind", SENTENCES)
def test_a_header_that_is_not_where_it_should_be_is_one_sentence(tmp_path, kind):
    content, fmt, words = SENTENCES[kind]
    (tmp_path / "rows.csv").write_text(content)
    with pytest.raises(SourceError, match=words) as error:
        read(tmp_path / "rows.csv", fmt)
    assert str(error.value).startswith(str(tmp_path / "rows.csv"))


def test_parquet_has_no_lines_to_skip(tmp_path):
    pl.DataFrame({"c": ["a"], "y": [0]}).write_parquet(tmp_path / "a.parquet")
    assert check_file(tmp_path / "a.parquet", declared(FEATURE, LABEL, source={"format": TO_HEADER}))[0].drop(ROW).rows() == [
        ("a", 0)
    ]
