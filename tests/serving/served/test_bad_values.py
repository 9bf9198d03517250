"""A value that breaks its column's rule: the request is refused, in one sentence that names column, row, value, rule."""

import numpy as np
import polars as pl
import pytest

from contracts.serving.request import CATEGORICAL, NUMERIC
from tests.serving.doors import DOORS, Tensors, by_name, packed

pytestmark = pytest.mark.triton
ROW = 1  # of three, the one that is broken
WHOLE = "a whole number, written as text"
BROKEN = [
    ("site", b"thirteen char", "'thirteen char' breaks the rule max_length: at most 12 characters"),
    ("device", b"x" * 101, f"'{'x' * 40}... (101 characters)' breaks the rule max_length: at most 100 bytes"),
    ("device", "ä".encode() * 51, f"'{'ä' * 40}... (51 characters)' breaks the rule max_length: at most 100 bytes"),
    ("device", b"caf\xe9", "'caf\ufffd' breaks the rule encoding: text in UTF-8"),
    ("device", b"", "'' breaks the rule not_null: a value is required"),
    ("ad", b"", "'' breaks the rule not_null: a value is required"),
    ("ad", b"ad 7", f"'ad 7' breaks the rule dtype: {WHOLE}"),
    ("ad", b"9" * 101, f"'{'9' * 40}... (101 characters)' breaks the rule max_length: at most 100 bytes"),
    ("view", b"many", f"'many' breaks the rule dtype: {WHOLE}"),
    ("view", b"3.5", f"'3.5' breaks the rule dtype: {WHOLE}"),
    ("view", b"1_0", f"'1_0' breaks the rule dtype: {WHOLE}"),
    ("view", "٣".encode(), f"'٣' breaks the rule dtype: {WHOLE}"),
    ("view", b"21", "'21' breaks the rule max: at most 20"),
    ("view", b"-2", "'-2' breaks the rule min: at least 0"),
    ("mobile", b"maybe", "'maybe' breaks the rule dtype: true or false"),
    ("mobile", b"", "'' breaks the rule not_null: a value is required"),
    ("age", -0.5, "-0.5 breaks the rule min: at least 0"),
    ("age", 120.5, "120.5 breaks the rule max: at most 120"),
    ("age", np.inf, "inf breaks the rule finite: a finite number"),
    ("visits", 2.5, "2.5 breaks the rule dtype: a whole number"),
    ("visits", -1, "-1 breaks the rule min: at least 0"),
    ("visits", np.nan, "nan breaks the rule not_null: a value is required"),
    ("spent", np.nan, "nan breaks the rule not_null: a value is required"),
    ("spent", -np.inf, "-inf breaks the rule finite: a finite number"),
]


def with_value(tensors: Tensors, spec, column: str, value: bytes | float) -> Tensors:
    """A copy of packed tensors in which the column of row ROW holds `value`."""
    copies = {name: array.copy() for name, array in tensors.items()}
    for name, columns in ((CATEGORICAL, spec.categorical), (NUMERIC, spec.numeric)):
        for place, described in enumerate(columns):
            if described.name == column:
                copies[name][ROW, place] = value
    return copies


@pytest.mark.parametrize("door", ["grpc", "http"])
@pytest.mark.parametrize(("column", "value", "sentence"), BROKEN)
def test_a_value_that_breaks_a_rule_is_refused_by_name(strict_server, strict_spec, strict_rows, door, column, value, sentence):
    reply = DOORS[door](strict_server, with_value(packed(strict_rows[:3], strict_spec), strict_spec, column, value))
    assert (reply.code, reply.error) == ("INVALID_ARGUMENT", f"column '{column}', row {ROW}: {sentence}")


@pytest.mark.parametrize("door", ["grpc", "http"])
@pytest.mark.parametrize(("column", "value", "sentence"), BROKEN)
def test_a_tensor_a_column_is_refused_in_the_same_words(strict_server, strict_spec, strict_rows, door, column, value, sentence):
    tensors = by_name(strict_rows[:3], strict_spec)
    tensors[column][ROW, 0] = value
    reply = DOORS[door](strict_server, tensors, "ctr_by_name")
    assert (reply.code, reply.error) == ("INVALID_ARGUMENT", f"column '{column}', row {ROW}: {sentence}")


@pytest.mark.parametrize(("column", "value", "sentence"), [case for case in BROKEN if case[1] != b"caf\xe9"])
def test_json_is_refused_in_the_same_words(strict_server, strict_spec, strict_rows, column, value, sentence):
    reply = DOORS["json"](strict_server, with_value(packed(strict_rows[:3], strict_spec), strict_spec, column, value))
    assert (reply.code, reply.error) == ("INVALID_ARGUMENT", f"column '{column}', row {ROW}: {sentence}")


@pytest.mark.parametrize(
    ("column", "value"),
    [("site", b"new site"), ("device", b"\0"), ("device", "ä".encode() * 50), ("ad", b"77"), ("view", b"20"), ("spent", 3e38)],
)
def test_a_value_that_training_has_not_seen_is_answered(strict_server, strict_spec, strict_rows, column, value):
    reply = DOORS["grpc"](strict_server, with_value(packed(strict_rows[:3], strict_spec), strict_spec, column, value))
    assert reply.code == "OK", reply.error
    assert np.isfinite(reply.probability).all()


def test_a_nul_inside_a_value_leaves_the_other_rows_as_they_are(strict_server, strict_spec, strict_rows):
    many = pl.concat([strict_rows, strict_rows[:14]])
    plain = DOORS["grpc"](strict_server, packed(many, strict_spec))
    reply = DOORS["grpc"](strict_server, with_value(packed(many, strict_spec), strict_spec, "device", b"pho\0ne"))
    assert (plain.code, reply.code) == ("OK", "OK"), (plain.error, reply.error)
    np.testing.assert_allclose(np.delete(reply.probability, ROW), np.delete(plain.probability, ROW), atol=1e-6)
