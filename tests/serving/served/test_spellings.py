"""What may be written in more than one way means the same, and a declared missing marker means nothing."""

import numpy as np
import pytest

from contracts.serving.request import CATEGORICAL, NUMERIC
from tests.serving.doors import over_grpc, packed

pytestmark = pytest.mark.triton
SAME = [
    ("view", [b"5", b"05", b" 5 ", b"+5", b"5.0", b"5."]),
    ("view", [b"", b"-1", b"-01", b"-1.0", b" ", b" -1"]),
    ("ad", [b"3", b"03", b" 3", b"3.0"]),
    ("mobile", [b"true", b"True", b"TRUE", b" yes ", b"1", b"t", b"T"]),
    ("mobile", [b"false", b"False", b"no", b"0", b"f"]),
    ("site", [b"", b"NA"]),
]
OTHER = {"view": b"6", "ad": b"1", "mobile": b"true", "site": b"site 1"}


@pytest.fixture
def ask(strict_server, strict_spec, strict_rows):
    """The probability of a row with one of its values replaced."""

    def asked(column: str, value: bytes | float) -> float:
        tensors = packed(strict_rows[:1], strict_spec)
        for name, columns in ((CATEGORICAL, strict_spec.categorical), (NUMERIC, strict_spec.numeric)):
            names = [described.name for described in columns]
            if column in names:
                tensors[name] = tensors[name].copy()
                tensors[name][0, names.index(column)] = value
        reply = over_grpc(strict_server, tensors)
        assert reply.code == "OK", reply.error
        return float(reply.probability[0])

    return asked


@pytest.mark.parametrize(("column", "spellings"), SAME)
def test_spellings_of_a_value_have_one_probability(ask, column, spellings):
    assert len({ask(column, spelling) for spelling in spellings}) == 1
    if OTHER[column] not in spellings:
        assert ask(column, spellings[0]) != ask(column, OTHER[column])


def test_spaces_belong_to_a_string(ask):
    assert ask("site", b" site 1") == ask("site", b"elsewhere") != ask("site", b"site 1")


def test_a_missing_marker_of_a_number_means_missing(ask):
    assert ask("age", 999) == ask("age", np.nan) != ask("age", 40)
