"""Columns that are computed of others of the row: what may be declared, and that neither files nor requests hold them."""

import pytest
from pydantic import ValidationError

from contracts.serving.request import request_of
from contracts.tables.chunk import ROW
from contracts.tables.raw import main_columns
from serving.client.rows import needed_columns
from tests.contracts.declared import FEATURE, LABEL, check_text, declared

T = {"name": "t", "role": "time", "dtype": "datetime"}
HOUR = {"name": "hour", "role": "categorical", "dtype": "int", "derive_from": "t", "part": "hour"}
PRICE, AREA = ({"name": name, "role": "numeric", "dtype": "float", "nullable": True} for name in ("price", "area"))
TAGS = {"name": "tags", "role": "set", "dtype": "string", "longest": 2, "delimiter": "|", "nullable": True}
NOTE = {"name": "note", "role": "info", "dtype": "string"}
RATIO = {"name": "ratio", "role": "numeric", "dtype": "float", "ratio": ["price", "area"]}
GAP = {"name": "gap", "role": "numeric", "dtype": "float", "difference": ["price", "area"]}
CROSS = {"name": "both", "role": "categorical", "dtype": "string", "cross": ["c", "hour"]}


def test_clean_rows_have_them_and_files_do_not(tmp_path):
    rows = (
        "t,c,price,area,y\n2026-05-01 07:00,a|b,3,2,1\n2026-05-01 23:59,,1.5,0,0\n2026-05-02,a,x,1,0\n2026-05-01 08:00,a,,1,0\n"
    )
    clean, rejected = check_text(tmp_path, rows, CROSS, T, FEATURE | {"nullable": True}, RATIO, PRICE, AREA, HOUR, GAP, LABEL)
    assert clean.columns == ["both", "t", "c", "ratio", "price", "area", "hour", "gap", "y", ROW]
    assert clean.select("both", "ratio", "gap").rows() == [("a\\|b|7", 1.5, 1.0), (None, None, 1.5), ("a|8", None, None)]
    assert [row[:3] for row in rejected] == [(3, "price", "dtype")]


def test_a_request_holds_what_they_are_made_of():
    declaration = declared(T, FEATURE, PRICE, AREA, HOUR, RATIO, GAP, CROSS, LABEL, slices=["both"])
    request = request_of(declaration)
    assert [column.name for column in request.columns] == ["c", "hour", "price", "area"]
    assert [column.name for column in request.computed] == ["ratio", "gap", "both"]
    assert [column.name for column in needed_columns(request, ["t", "c", "price", "area"])] == ["t", "c", "hour", "price", "area"]
    assert main_columns(declaration, ()) == ("t", "c", "price", "area", "y")
    assert all(declaration.column(name).nullable for name in ("ratio", "gap", "both"))


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (RATIO | {"ratio": ["price", "nothing"]}, "column 'ratio': ratio 'nothing' is no declared column"),
        (
            RATIO | {"ratio": ["price", "c"]},
            "ratio 'c' has role categorical; name features with role numeric, which callers send",
        ),
        (RATIO | {"ratio": ["price", "price"]}, "ratio names a column twice: price, price"),
        (RATIO | {"difference": ["price", "area"]}, "ratio and difference: a column is one of them"),
        (RATIO | {"dtype": "int"}, "a ratio has role numeric and dtype float"),
        (RATIO | {"min": 0}, "the model computes it, so it has no min; say that of ratio's columns"),
        (RATIO | {"unique": True}, "the model computes it, so it has no unique"),
        (RATIO | {"so_far": {"count": "clicks", "per": "c"}}, "ratio or so_far: a column is one of them"),
        (GAP | {"difference": ["price"]}, "difference"),
        (
            GAP | {"difference": ["price", "other"]},
            "difference 'other' is computed by the model itself; name the columns that it is",
        ),
        (CROSS | {"cross": ["c"]}, "cross names two columns, or 3, got 1"),
        (
            CROSS | {"cross": ["c", "price"]},
            "cross 'price' has role numeric; name features with role categorical, creative or entity",
        ),
        (CROSS | {"cross": ["c", "note"]}, "cross 'note' has role info; name features"),
        (CROSS | {"cross": ["c", "ad"]}, "cross 'ad' has role creative and feature: false; name features"),
        (CROSS | {"cross": ["c", "tags"]}, "cross 'tags' holds several values in a cell"),
        (CROSS | {"cross": ["c", "tags\\[0\\]".replace("\\", "")]}, "holds several values in a cell"),
        (CROSS | {"role": "info"}, "a cross has role categorical and dtype string"),
        (CROSS | {"values": ["a|1"]}, "the model computes it, so it has no values"),
    ],
)
def test_what_cannot_be_computed_of_a_row_is_refused(column, words):
    other = RATIO | {"name": "other"}
    ad = {"name": "ad", "role": "creative", "dtype": "string", "feature": False}
    with pytest.raises(ValidationError, match=words):
        declared(T, FEATURE, PRICE, AREA, TAGS, NOTE, ad, other, LABEL, column)


def test_a_list_has_no_cross_for_its_vocabulary():
    tags = TAGS | {"vocabulary": "both"}
    with pytest.raises(
        ValidationError, match="column 'tags': vocabulary 'both' is no column of dtype string with a vocabulary of"
    ):
        declared(T, FEATURE, HOUR, CROSS, tags, LABEL)
