"""Strings of requests as one text: found all at once or one by one, they are what was sent, or it says that it cannot."""

import struct

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from contracts.serving.packed_text import SEPARATORS, column_code, free_separator, text_of
from serving.triton import joined_text
from serving.triton.joined_text import TextJoiner, Unusual, cut

SEPARATOR = SEPARATORS[0]
USUAL = st.text(st.characters(exclude_characters=f"\0{SEPARATORS}", exclude_categories=["Cs"]), max_size=60)
ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=300) | st.sampled_from(
    ["", "\0", "\0\0\0", SEPARATOR, "a" * 256]
)


def tables(values: st.SearchStrategy[str]) -> st.SearchStrategy[list[list[str]]]:
    return st.integers(1, 4).flatmap(
        lambda width: st.lists(st.lists(values, min_size=width, max_size=width), min_size=1, max_size=9)
    )


def raw(rows: list[list[str]]) -> np.ndarray:
    """The rows as Triton hands them over."""
    values = [value.encode() for row in rows for value in row]
    return np.frombuffer(b"".join(struct.pack("<I", len(value)) + value for value in values), dtype=np.uint8)


@pytest.fixture(params=["at once", "one by one"])
def way(request, monkeypatch) -> str:
    monkeypatch.setattr(joined_text, "FEW", -1 if request.param == "at once" else 10**9)
    return request.param


@pytest.mark.parametrize("few", [-1, 10**9])
@given(rows=tables(USUAL))
@example(rows=[[""]])
@example(rows=[["", ""], ["", "a"], ["b", ""]])
def test_usual_strings_are_found_where_they_are(few, rows):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(joined_text, "FEW", few)
        joiner, half = TextJoiner(len(rows[0]), SEPARATOR), len(rows) // 2
        found = joiner.join([raw(part) for part in (rows[:half], rows[half:]) if part], len(rows))
    assert found.encoded.decode() == text_of(rows, SEPARATOR)
    assert found.strings() == rows
    assert found.lengths_NC.tolist() == [[len(value.encode()) for value in row] for row in rows]


@pytest.mark.parametrize("few", [-1, 10**9])
@given(rows=tables(ANY))
@example(rows=[["a", "\0\0\0\1\0\0\0"]])
@example(rows=[["\0" * 4], ["x"]])
def test_any_strings_are_found_or_called_unusual(few, rows):
    joiner = TextJoiner(len(rows[0]), SEPARATOR)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(joined_text, "FEW", few)
        try:
            found = joiner.join([raw(rows)], len(rows))
        except Unusual:
            assert any(len(v.encode()) > 255 or SEPARATOR in v or "\0" in v for row in rows for v in row)
            found = joiner.spelled(rows)
            rows = [[value.replace(SEPARATOR, "\ufffd") for value in row] for row in rows]
    assert found.encoded.decode() == text_of(rows, SEPARATOR)
    assert found.strings() == rows


@given(content=st.binary(max_size=80), num_rows=st.integers(1, 5))
def test_bytes_that_are_no_strings_are_unusual_never_misread(content, num_rows):
    for few in (-1, 10**9):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(joined_text, "FEW", few)
            try:
                found = TextJoiner(2, SEPARATOR).join([np.frombuffer(content, dtype=np.uint8)], num_rows)
            except Unusual:
                continue
        assert [value.encode() for row in found.strings() for value in row] == cut(content)
        assert len(cut(content)) == 2 * num_rows


@pytest.mark.parametrize("content", [b"\1", b"\1\0\0\0", b"\5\0\0\0abc", b"\1\0\0\0a\0"])
def test_what_is_cut_short_is_told(content):
    with pytest.raises(ValueError, match="cut short"):
        cut(content)
    with pytest.raises(Unusual):
        TextJoiner(1, SEPARATOR).join([np.frombuffer(content, dtype=np.uint8)], 1)


def test_what_is_not_utf8_is_unusual(way):
    with pytest.raises(Unusual, match="not UTF-8"):
        TextJoiner(1, SEPARATOR).join([np.frombuffer(b"\2\0\0\0\xff\xfe", dtype=np.uint8)], 1)


def test_a_column_has_a_code_of_its_own_without_a_separator():
    codes = [column_code(place) for place in range(5000)]
    assert len(set(codes)) == 5000
    assert all(len(code.encode()) == 2 and not set(code) & set(SEPARATORS) for code in codes)


def test_the_separator_is_one_that_no_value_holds():
    assert free_separator(["a", "b"]) == "\x1f"
    assert free_separator(["a\x1f", "\x1eb"]) == "\x1d"
    with pytest.raises(ValueError, match="holds all of ASCII's separators"):
        free_separator([SEPARATORS])
