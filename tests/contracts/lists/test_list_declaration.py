"""What may be declared of columns with several values."""

from dataclasses import replace

import polars as pl
import pytest
from pydantic import ValidationError

from contracts.dataset.served import as_read
from contracts.serving.request import request_of
from tests.contracts.declared import FEATURE, LABEL, check_file, declared

SET = {"name": "s", "role": "set", "dtype": "string", "longest": 2}
SEQUENCE = {"name": "q", "role": "sequence", "dtype": "string", "longest": 3, "vocabulary": "c"}


def test_slots_stand_where_the_column_is_declared_and_request_alike():
    declaration = declared(SET, FEATURE, SEQUENCE | {"max_length": 5, "values": ["x", "y"]}, LABEL)
    assert [column.name for column in declaration.columns] == ["s[0]", "s[1]", "c", "q[0]", "q[1]", "q[2]", "y"]
    assert [column.name for column in declaration.written] == ["s", "c", "q", "y"]
    slot = declaration.column("q[2]")
    assert (slot.role, slot.nullable, slot.max_length, slot.values, slot.slot_of) == ("categorical", True, 5, ("x", "y"), "q")
    request = request_of(declaration)
    assert [column.name for column in request.lists] == ["s", "q"]
    assert request.codes == [0, 0, 2, 3, 3, 3]
    assert replace(declaration, name="other").columns == declaration.columns


def test_what_a_request_may_hold_is_part_of_the_digest():
    plain = declared(SET, FEATURE, LABEL)
    assert plain.digest == declared(SET | {"description": "tags"}, FEATURE, LABEL).digest
    assert len({plain.digest, declared(SET | {"longest": 3}, FEATURE, LABEL).digest, declared(FEATURE, LABEL).digest}) == 3


def test_served_rows_lie_as_slots():
    declaration = as_read(declared(SET, FEATURE, LABEL, source={"kind": "served", "served": "x"}))
    assert (declaration.lists, [column.name for column in declaration.written]) == ((), ["s[0]", "s[1]", "c", "y"])


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ([SET | {"longest": None}], "role set needs longest, how many values of a cell are kept, 1 to 200, got None"),
        ([SET | {"longest": 0}], "1 to 200, got 0"),
        ([SET | {"longest": 201}], "1 to 200, got 201"),
        ([SET | {"dtype": "float"}], "role set needs dtype string or int, got float"),
        ([SET | {"end": "last"}], "a set has no order, so it has no end"),
        ([SET | {"delimiter": ""}], "delimiter is what stands between two values"),
        ([SET | {"unique": True}], "role set has no unique"),
        ([SET | {"folder": "s"}], "role set has no folder"),
        ([SET | {"slot_of": "x"}], "role set has no slot_of"),
        ([FEATURE | {"longest": 3}], "longest is for roles set and sequence, got categorical"),
        ([FEATURE | {"pool": "sum"}], "pool is for roles set and sequence"),
        ([FEATURE | {"slot_of": "s"}], "lists and slot_of are no keys of a declaration"),
        ([SET, FEATURE | {"name": "s[1]"}], r"column 's\[1\]' is declared twice"),
        ([SEQUENCE], "vocabulary 'c' is no column of dtype string with a vocabulary of its own"),
        ([FEATURE | {"dtype": "int"}, SEQUENCE], "vocabulary 'c' is no column of dtype string"),
        (
            [FEATURE, SEQUENCE, SET | {"vocabulary": "q"}],
            "vocabulary 'q' is no column of dtype string with a vocabulary of its own",
        ),
        ([SEQUENCE | {"vocabulary": "q"}], "vocabulary names another column"),
        ([FEATURE | {"role": "info"}, SEQUENCE], "vocabulary 'c' is no column"),
    ],
)
def test_what_does_not_fit_is_refused(columns, message):
    with pytest.raises(ValidationError, match=message):
        declared(*columns, LABEL)


def test_lists_are_never_given():
    with pytest.raises(ValidationError, match="lists and slot_of are no keys"):
        declared(FEATURE, LABEL, lists=[SET])


def test_it_is_neither_a_slice_nor_a_key_of_a_join():
    with pytest.raises(ValidationError, match=r"slices names 's\[0\]', by which rows cannot be sliced"):
        declared(SET, FEATURE, LABEL, slices=["s[0]"])
    with pytest.raises(ValidationError, match="the join's key 's' holds several values in a cell"):
        declared(SET, LABEL, source={"joins": [{"files": "x.csv", "key": "s"}]})


def test_rows_that_were_served_are_read_as_slots(tmp_path):
    declaration = declared(SET | {"min": 1, "dtype": "int"}, FEATURE, LABEL, source={"kind": "served", "served": str(tmp_path)})
    path = tmp_path / "impressions.parquet"
    pl.DataFrame({"s[0]": [3, None, 0], "s[1]": [4, None, 2], "c": ["x", "y", "z"], "y": [1, 0, 1]}).write_parquet(path)
    clean, bad = check_file(path, as_read(declaration))
    assert clean.select("s[0]", "s[1]").rows() == [(3, 4), (None, None)]
    assert [row[:4] for row in bad] == [(3, "s[0]", "min", "0")]
