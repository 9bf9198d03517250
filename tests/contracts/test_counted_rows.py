"""Rows that count impressions and clicks, or have a weight: what is declared, what is read, what is refused."""

import pytest

from contracts.dataset.source import SourceError
from contracts.tables.chunk import ROW
from contracts.tables.contract import contract_of
from contracts.tables.raw import main_columns, read_partition
from tests.contracts.declared import FEATURE, LABEL, check_text, declared

VIEWS = {"name": "n", "role": "impressions", "dtype": "int"}
CLICKS = {"name": "k", "role": "clicks", "dtype": "int"}
WEIGHT = {"name": "w", "role": "weight", "dtype": "float"}


def test_counts_are_read_and_broken_ones_say_why(tmp_path):
    content = "c,n,k\na,10,3\nb,5,6\nc,-1,0\nd,4,-2\ne,2.5,1\nf,,1\ng,7,7\nh,0,0\ni,3,\n"
    clean, rejected = check_text(tmp_path, content, FEATURE, VIEWS, CLICKS)
    assert clean.drop(ROW).rows() == [("a", 10, 3), ("g", 7, 7), ("h", 0, 0)]
    assert [row[:4] for row in rejected] == [
        (2, "k", "counts", "6"),
        (3, "n", "min", "-1"),
        (4, "k", "min", "-2"),
        (5, "n", "dtype", "2.5"),
        (6, "n", "not_null", ""),
        (9, "k", "not_null", ""),
    ]


def test_a_number_of_impressions_that_may_be_missing_is_one(tmp_path):
    clean, rejected = check_text(tmp_path, "c,n,k\na,,1\nb,,2\n", FEATURE, {**VIEWS, "nullable": True}, CLICKS)
    assert clean["n"].to_list() == [None] and [row[:3] for row in rejected] == [(2, "k", "counts")]


def test_weights_are_finite_and_not_below_zero(tmp_path):
    content = "c,w,y\na,0.5,1\nb,-0.1,0\nc,inf,0\nd,NaN,0\ne,0,1\nf,,1\ng,1e300,0\n"
    clean, rejected = check_text(tmp_path, content, FEATURE, WEIGHT, LABEL)
    assert clean["w"].to_list() == [0.5, 0.0, 1e300]
    assert [row[:3] for row in rejected] == [(2, "w", "min"), (3, "w", "finite"), (4, "w", "not_null"), (6, "w", "not_null")]


WRONG = {
    "clicks of a string": ([{**CLICKS, "dtype": "string"}, VIEWS], "role clicks needs dtype int, got string"),
    "half impressions": ([CLICKS, {**VIEWS, "dtype": "float"}], "role impressions needs dtype int, got float"),
    "missing clicks": ([{**CLICKS, "nullable": True}, VIEWS], "clicks cannot be nullable"),
    "weight of a string": ([LABEL, {**WEIGHT, "dtype": "string"}], "role weight needs dtype int or float"),
    "clicks alone": ([CLICKS], "a column has role clicks and none has role impressions"),
    "impressions alone": ([VIEWS, LABEL], "a column has role impressions and none has role clicks"),
    "label and clicks": ([VIEWS, CLICKS, LABEL], "'y' has role label and 'k' role clicks; a row has a label, or counts"),
    "two weights": ([LABEL, WEIGHT, {**WEIGHT, "name": "v"}], "role weight is given to"),
    "nothing": ([], "no column has role label (or, where a row counts many, the roles impressions and clicks)"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_declaration_that_makes_no_sense_is_refused(kind):
    columns, words = WRONG[kind]
    with pytest.raises(ValueError) as error:
        declared(FEATURE, *columns)
    assert words in str(error.value)


def test_slices_are_not_of_counts():
    with pytest.raises(ValueError, match="slices names 'n', by which rows cannot be sliced; allowed: c"):
        declared(FEATURE, VIEWS, CLICKS, slices=["n"])


def test_rows_to_score_need_no_counts_and_no_weight(tmp_path):
    made = declared(FEATURE, {**FEATURE, "name": "d"}, VIEWS, CLICKS, WEIGHT)
    (tmp_path / "rows.csv").write_text("c,d\na,x\nb,y\n")
    contract = contract_of(made, (), None, labelled=False)
    chunks = read_partition([tmp_path / "rows.csv"], made, main_columns(made, ()), made.optional_to_score)
    (clean, rejected) = contract.check(next(chunks)[1])
    assert clean["c"].to_list() == ["a", "b"] and rejected.is_empty() and clean.columns == ["c", "d", ROW]
    with pytest.raises(SourceError, match="lacks"):
        list(read_partition([tmp_path / "rows.csv"], made, main_columns(made, ()), frozenset()))
