"""source.rename: what the impressions' files call a column, where columns calls it otherwise."""

import polars as pl
import pytest

from contracts.dataset.source import SourceError
from contracts.serving.request import request_of
from contracts.tables.chunk import ROW
from tests.contracts.declared import FEATURE, LABEL, check_file, check_text, declared

RESERVED = {"rename": {"cat_idx": "c", "": "y"}}  # a tensor's name, and the one that pandas gives to its index


def test_columns_are_read_by_their_old_names_and_known_by_their_new_ones(tmp_path):
    clean, rejected = check_text(tmp_path, "cat_idx,\na,0\nb,3\n", FEATURE, LABEL, source=RESERVED)
    assert (clean.columns, clean.rows()) == (["c", "y", ROW], [("a", 0, 1)])
    assert rejected == [(2, "y", "label", "3", 1)]


def test_parquet_columns_are_renamed_too(tmp_path):
    pl.DataFrame({"cat_idx": ["a"], "": [0]}).write_parquet(tmp_path / "a.parquet")
    clean, rejected = check_file(tmp_path / "a.parquet", declared(FEATURE, LABEL, source=RESERVED))
    assert (clean.rows(), rejected) == ([("a", 0, 1)], [])


def test_two_columns_may_change_their_names(tmp_path):
    clean, _ = check_text(tmp_path, "c,y\n0,a\n1,b\n", FEATURE, LABEL, source={"rename": {"c": "y", "y": "c"}})
    assert clean.rows() == [("a", 0, 1), ("b", 1, 2)]


def test_a_month_that_has_the_new_name_already_is_read(tmp_path):
    clean, _ = check_text(tmp_path, "c,y\na,0\n", FEATURE, LABEL, source=RESERVED)
    assert clean.rows() == [("a", 0, 1)]


def test_a_derived_column_may_have_the_name_of_another_in_the_file(tmp_path):
    columns = [
        {"name": "t", "role": "time", "dtype": "datetime"},
        {"name": "hour", "role": "categorical", "dtype": "int", "derive_from": "t", "part": "hour"},
        {"name": "slot", "role": "categorical", "dtype": "int"},
    ]
    clean, _ = check_text(
        tmp_path, "t,hour,y\n2024-01-03 09:15,7,1\n", *columns, LABEL, source={"rename": {"hour": "slot"}}
    )  # fmt: skip
    assert clean.select("hour", "slot").rows() == [(9, 7)]


SENTENCES = {  # content, source, words
    "the old one is not there": (
        "q,y\na,0\n", {"rename": {"cat_idx": "c"}}, r"lacks 'cat_idx', which source.rename calls 'c'; it has q, y",
    ),
    "both are there": (
        "cat_idx,c,y\na,b,0\n", {"rename": {"cat_idx": "c"}},
        r"has 'cat_idx' and 'c', and source.rename calls the first as the second; choose another name",
    ),
    "not renamed": ("q,y\na,0\n", {}, r"lacks the declared column 'c'; it has q, y; if 'q' is that column, say so in source"),
    "one name short": (
        "cat_idx,y\n1,a,0\n", {"rename": {"cat_idx": "c"}},
        r"names: \[row, c, y\]\} and put 'row' in leave_out; these are the new names of source.rename, which has to go then",
    ),
    "not the first line": (
        "# x\ncat_idx,y\na,0\n", {"rename": {"cat_idx": "c"}}, r"its header is line 2; set source.format.skip_lines: 1",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", SENTENCES)
def test_a_file_without_the_columns_is_one_sentence(tmp_path, kind):
    content, source, words = SENTENCES[kind]
    with pytest.raises(SourceError, match=words):
        check_text(tmp_path, content, FEATURE, LABEL, source=source)


def test_a_request_knows_the_old_names_of_the_columns_that_it_takes():
    declaration = declared(FEATURE, LABEL, source=RESERVED)
    assert dict(request_of(declaration).rename) == {"cat_idx": "c"}
    assert declaration.digest == declared(FEATURE, LABEL).digest  # the same requests
