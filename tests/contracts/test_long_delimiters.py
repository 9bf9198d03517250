"""Delimiters of several characters, such as `||` and `::`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts.dataset.source import SEPARATOR, SourceError
from contracts.tables.raw import side_tables
from contracts.tables.text import decoding, delimited
from contracts.tables.text.separator import OWN, Separated
from tests.contracts.declared import FEATURE, LABEL, check_file, check_text, declared

NUMBER = {"name": "n", "role": "numeric", "dtype": "float", "nullable": True}


def read(tmp_path, content, delimiter="||", **fmt):
    source = {"format": {"delimiter": delimiter} | fmt}
    clean, rejected = check_text(tmp_path, content, FEATURE, NUMBER, LABEL, source=source)
    return clean.select("c", "n", "y").rows(), [row[:4] for row in rejected]


def test_rows_are_split_at_all_of_it(tmp_path):
    assert read(tmp_path, "n||c||y\n1.5||a|b||0\n||c||1\n") == ([("a|b", 1.5, 0), ("c", None, 1)], [])
    assert read(tmp_path, "n::c::y\n1::a:b::0\n2::http://x::1\n", "::") == ([("a:b", 1.0, 0), ("http://x", 2.0, 1)], [])


def test_it_may_stand_in_quotes_and_names_too(tmp_path):
    assert read(tmp_path, 'n||c||y\n1||"a||b"||0\n2||"say ""||"""||1\n') == ([("a||b", 1.0, 0), ('say "||"', 2.0, 1)], [])
    out = [{"name": "x||y", "why": "odd"}]
    source = {"format": {"delimiter": "||"}}
    clean, _ = check_text(tmp_path, 'c||"x||y"||y\na||1||0\n', FEATURE, LABEL, source=source, leave_out=out)
    assert clean["c"].to_list() == ["a"]


def test_the_character_that_stands_for_it_may_be_in_a_file(tmp_path):
    content = f"n||c||y\n1||a{SEPARATOR}b||0\n2||a||b||1\n"
    assert read(tmp_path, content) == ([(f"a{SEPARATOR}b", 1.0, 0)], [(2, "", "columns", "2||a||b||1")])


def test_repeated_values_are_restored_too(tmp_path):
    content = "n||c||y\n" + '1||"a||b"||0\n2||b||1\n' * 50
    assert read(tmp_path, content)[0] == [("a||b", 1.0, 0), ("b", 2.0, 1)] * 50


@pytest.mark.parametrize("piece", [1, 2, 3, 5])
def test_the_pieces_do_not_matter(tmp_path, monkeypatch, piece):
    content = "n||c||y\n" + "".join(f"{i}||a|{i}|b||{i % 2}\n" for i in range(30))
    monkeypatch.setattr(decoding, "PIECE_BYTES", piece)
    monkeypatch.setattr(delimited, "BLOCK_BYTES", 64)
    assert read(tmp_path, content) == ([(f"a|{i}|b", float(i), i % 2) for i in range(30)], [])


@given(st.text("ab|\x1f", max_size=30), st.integers(1, 4), st.sampled_from(["||", "|a", "aab", "|||"]))
def test_pieces_give_what_the_whole_gives(text, size, delimiter):
    pieces = Separated(delimiter)
    data = [text[start : start + size].encode() for start in range(0, len(text), size)]
    found = b"".join([*(pieces.piece(one, at_end=False) for one in data), pieces.piece(b"", at_end=True)])
    assert found.decode().split(SEPARATOR) == text.replace(SEPARATOR, OWN).split(delimiter)


def test_other_encodings_lines_before_the_header_and_no_header(tmp_path):
    content = "made || today\nn||c||y\n1||ä||0\n"
    assert read(tmp_path, content.encode("utf-16"), encoding="utf-16", skip_lines="to_header")[0] == [("ä", 1.0, 0)]
    assert read(tmp_path, "1||a||0\n", header=False, names=["n", "c", "y"])[0] == [("a", 1.0, 0)]
    assert read(tmp_path, " n || c || y\n 1 || a || 0\n", strip=True)[0] == [("a", 1.0, 0)]


def test_a_byte_that_is_no_text_costs_its_row(tmp_path):
    assert read(tmp_path, b"n||c||y\n1||\xff||0\n2||a||1\n") == ([("a", 2.0, 1)], [(1, "c", "encoding", "\\xff")])


def test_another_delimiter_than_the_declared_one_is_named(tmp_path):
    with pytest.raises(SourceError, match=r"has one column when split at '\|\|', expected 3; it seems to be separated by ';'"):
        read(tmp_path, "n;c;y\n1;a;0\n")
    with pytest.raises(SourceError, match="it seems to be separated by '::'"):
        read(tmp_path, "n::c::y\n1::a::0\n", ",")
    with pytest.raises(SourceError, match=r"no row has the 3 columns of the header; the first has 2"):
        read(tmp_path, "n||c||y\n1||a\n")


def test_a_side_table_may_be_written_so(tmp_path):
    (tmp_path / "items.txt").write_text("c::n\na::1.5\n")
    declaration = declared(
        FEATURE, NUMBER, LABEL, source={"joins": [{"files": "items.txt", "key": "c", "format": {"delimiter": "::"}}]}
    )
    (tmp_path / "rows.csv").write_text("c,y\na,0\n")
    clean, _ = check_file(tmp_path / "rows.csv", declaration, side_tables(tmp_path, declaration))
    assert clean["n"].to_list() == [1.5]


@pytest.mark.parametrize(
    ("fmt", "words"),
    [
        ({"delimiter": ""}, "delimiter must be a character, or up to 8 without a line break, got ''"),
        ({"delimiter": "123456789"}, "or up to 8"),
        ({"delimiter": "|\n"}, "without a line break"),
        ({"delimiter": '"|'}, "holds the character of format.quote or format.escape"),
    ],
)
def test_what_divides_nothing_is_refused(fmt, words):
    with pytest.raises(ValidationError, match=words):
        declared(FEATURE, LABEL, source={"format": fmt})
