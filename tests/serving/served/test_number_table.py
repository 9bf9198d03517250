"""How each spelling of a number or truth value ends, in the contract of files, in the client and in the served model."""

import numpy as np
import polars as pl
import pytest
from pydantic import TypeAdapter

from contracts.dataset.columns import Column
from contracts.serving.request import CATEGORICAL, NUMERIC
from contracts.tables.chunk import ROW
from serving.client import BrokenRows
from serving.client.rows import typed
from tests.contracts.declared import FEATURE, LABEL, check_text
from tests.serving.doors import over_grpc, packed
from tests.serving.strict_world import COLUMNS

# What a text means, or the rule that it breaks; "missing" is a value too. `ad` is a creative of dtype int, `view` a category
# of dtype int (missing: -1, 0 to 20), `mobile` one of dtype bool, `visits` a number of dtype int, `spent` one of dtype float.
TEXTS = {
    "5": {"ad": 5, "view": 5, "mobile": "dtype", "visits": 5, "spent": 5.0},
    "+5": {"ad": 5, "view": 5, "mobile": "dtype", "visits": 5, "spent": 5.0},
    "05": {"ad": 5, "view": 5, "mobile": "dtype", "visits": 5, "spent": 5.0},
    " 5\t": {"ad": 5, "view": 5, "mobile": "dtype", "visits": 5, "spent": 5.0},
    "\u00a05": {"ad": 5, "view": 5, "mobile": "dtype", "visits": 5, "spent": 5.0},
    "5.0": {"ad": 5, "view": 5, "mobile": "dtype", "visits": 5, "spent": 5.0},
    "5.": {"ad": 5, "view": 5, "mobile": "dtype", "visits": 5, "spent": 5.0},
    "5e0": {"ad": 5, "view": 5, "mobile": "dtype", "visits": 5, "spent": 5.0},
    ".5E+1": {"ad": 5, "view": 5, "mobile": "dtype", "visits": 5, "spent": 5.0},
    "500e-2": {"ad": 5, "view": 5, "mobile": "dtype", "visits": 5, "spent": 5.0},
    "1e1": {"ad": 10, "view": 10, "mobile": "dtype", "visits": 10, "spent": 10.0},
    "-0": {"ad": 0, "view": 0, "mobile": "dtype", "visits": 0, "spent": -0.0},
    "0": {"ad": 0, "view": 0, "mobile": False, "visits": 0, "spent": 0.0},
    "1": {"ad": 1, "view": 1, "mobile": True, "visits": 1, "spent": 1.0},
    "1.0": {"ad": 1, "view": 1, "mobile": "dtype", "visits": 1, "spent": 1.0},
    " yes": {"ad": "dtype", "view": "dtype", "mobile": True, "visits": "dtype", "spent": "dtype"},
    "TRUE": {"ad": "dtype", "view": "dtype", "mobile": True, "visits": "dtype", "spent": "dtype"},
    "f": {"ad": "dtype", "view": "dtype", "mobile": False, "visits": "dtype", "spent": "dtype"},
    "on": {"ad": "dtype", "view": "dtype", "mobile": "dtype", "visits": "dtype", "spent": "dtype"},
    "-1": {"ad": -1, "view": None, "mobile": "dtype", "visits": "min", "spent": -1.0},
    "-1.0e0": {"ad": -1, "view": None, "mobile": "dtype", "visits": "min", "spent": -1.0},
    "2.5": {"ad": "dtype", "view": "dtype", "mobile": "dtype", "visits": "dtype", "spent": 2.5},
    "21": {"ad": 21, "view": "max", "mobile": "dtype", "visits": 21, "spent": 21.0},
    "1_000": {"ad": "dtype", "view": "dtype", "mobile": "dtype", "visits": "dtype", "spent": "dtype"},
    "1,000": {"ad": "dtype", "view": "dtype", "mobile": "dtype", "visits": "dtype", "spent": "dtype"},
    "1 000": {"ad": "dtype", "view": "dtype", "mobile": "dtype", "visits": "dtype", "spent": "dtype"},
    "0x10": {"ad": "dtype", "view": "dtype", "mobile": "dtype", "visits": "dtype", "spent": "dtype"},
    "5e": {"ad": "dtype", "view": "dtype", "mobile": "dtype", "visits": "dtype", "spent": "dtype"},
    "+-5": {"ad": "dtype", "view": "dtype", "mobile": "dtype", "visits": "dtype", "spent": "dtype"},
    "٣": {"ad": "dtype", "view": "dtype", "mobile": "dtype", "visits": "dtype", "spent": "dtype"},
    "５": {"ad": "dtype", "view": "dtype", "mobile": "dtype", "visits": "dtype", "spent": "dtype"},
    "\ufeff5": {"ad": "dtype", "view": "dtype", "mobile": "dtype", "visits": "dtype", "spent": "dtype"},
    "\x1c5": {"ad": "dtype", "view": "dtype", "mobile": "dtype", "visits": "dtype", "spent": "dtype"},
    "inf": {"ad": "dtype", "view": "dtype", "mobile": "dtype", "visits": "dtype", "spent": "finite"},
    "-Infinity": {"ad": "dtype", "view": "dtype", "mobile": "dtype", "visits": "dtype", "spent": "finite"},
    "nan": {"ad": "dtype", "view": "dtype", "mobile": "dtype", "visits": "dtype", "spent": "not_null"},
    "9007199254740993.0": {"ad": 2**53 + 1, "view": "max", "visits": 2**53 + 1, "spent": float(2**53)},
    "9.007199254740993e15": {"ad": 2**53 + 1, "view": "max", "visits": 2**53 + 1, "spent": float(2**53)},
    "9223372036854775807": {"ad": 2**63 - 1, "view": "max", "visits": 2**63 - 1, "spent": float(2**63)},
    "9223372036854775808": {"ad": "int64", "view": "int64", "visits": "int64", "spent": float(2**63)},
    "17999999999999999000": {"ad": "int64", "view": "int64", "visits": "int64", "spent": 1.7999999999999999e19},
    "1e39": {"ad": "int64", "view": "int64", "visits": "int64", "spent": "finite"},
    "1e400": {"ad": "int64", "view": "int64", "visits": "int64", "spent": "finite"},
    "5.00000000000000000000001": {"ad": "dtype", "view": "dtype", "visits": "dtype", "spent": 5.0},
}
# What only a float can be in a request, whose tensor `numeric` is float32: 2^63 is as near to int64's last as it gets.
FLOATS = [
    ("visits", 5.0, None), ("visits", 2.5, "dtype"), ("visits", 2.0**63, None), ("visits", 1e19, "int64"),
    ("visits", np.inf, "finite"), ("visits", np.nan, "not_null"), ("visits", -0.0, None),
    ("spent", 5.0, None), ("spent", 3.4e38, None), ("spent", 1e39, "finite"), ("spent", np.inf, "finite"), ("spent", 1e-50, None),
]  # fmt: skip
PLACES = {described["name"]: described for described in COLUMNS}
NAMES = ("ad", "view", "mobile", "visits", "spent")
RULES = ("dtype", "int64", "min", "max")


def table(column: str) -> dict[str, object]:
    """What each text means in the column, or the rule that it breaks."""
    return {text: ends[column] for text, ends in TEXTS.items() if column in ends}


def ends_of(texts: list[str], clean: pl.Series, rows: list[int], rejected: dict[int, str]) -> dict[str, str]:
    """By text what it became; values as `repr` shows them, which tells 0.0 from -0.0 and True from 1."""
    ends = dict(zip(rows, map(repr, clean), strict=True)) | {row: repr(rule) for row, rule in rejected.items()}
    return {text: ends[row] for row, text in enumerate(texts)}


def shown(expected: dict[str, object]) -> dict[str, str]:
    return {text: repr(end) for text, end in expected.items()}


@pytest.mark.parametrize("column", NAMES)
def test_a_file_says(tmp_path, column):
    expected = table(column)
    content = f"{column}|c|y\n" + "".join(f"{text}|a|1\n" for text in expected)
    source = {"format": {"delimiter": "|"}}
    clean, rejected = check_text(tmp_path, content, PLACES[column], FEATURE, LABEL, source=source)
    rows = [row - 1 for row in clean[ROW]]
    assert ends_of([*expected], clean[column], rows, {row - 1: rule for row, _, rule, *_ in rejected}) == shown(expected)


@pytest.mark.parametrize("column", NAMES)
def test_the_client_says(column):
    expected = table(column)
    described = TypeAdapter(Column).validate_python(PLACES[column])
    with pytest.raises(BrokenRows) as broken:
        typed(pl.DataFrame({column: [*expected]}), (described,), check=True)
    rejected = dict(broken.value.rejected.select("row", "rule").rows())
    rows = [row for row in range(len(expected)) if row not in rejected]
    clean = typed(pl.DataFrame({column: [[*expected][row] for row in rows]}), (described,), check=True)
    assert ends_of([*expected], clean[column], rows, rejected) == shown(expected)


@pytest.fixture(scope="module")
def ask(strict_server, strict_spec, strict_rows):
    """The probability of a row with one of its values replaced, or the rule it broke."""

    def asked(column: str, value: bytes | float) -> float | str:
        tensors = packed(strict_rows[:1], strict_spec)
        for name, columns in ((CATEGORICAL, strict_spec.categorical), (NUMERIC, strict_spec.numeric)):
            names = [one.name for one in columns]
            if column in names:
                tensors[name] = tensors[name].copy()
                tensors[name][0, names.index(column)] = value
        reply = over_grpc(strict_server, tensors)
        if reply.code == "OK":
            return float(reply.probability[0])
        assert reply.code == "INVALID_ARGUMENT", reply.error
        return reply.error.partition("breaks the rule ")[2].partition(":")[0]

    return asked


@pytest.mark.triton
@pytest.mark.parametrize("column", ["ad", "view", "mobile"])
def test_the_served_model_says(ask, column):
    for text, expected in table(column).items():
        canonical = "" if expected is None else str(expected).lower() if isinstance(expected, bool) else str(expected)
        assert ask(column, text.encode()) == (expected if expected in RULES else ask(column, canonical.encode())), text


@pytest.mark.triton
@pytest.mark.parametrize(("column", "value", "rule"), FLOATS)
@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_the_served_model_says_of_floats(ask, column, value, rule):
    found = ask(column, np.float32(value))
    assert found == rule if rule is not None else isinstance(found, float)


@pytest.mark.parametrize(("column", "value", "rule"), FLOATS)
def test_the_client_says_of_floats(column, value, rule):
    described = TypeAdapter(Column).validate_python(PLACES[column])
    rows = pl.DataFrame({column: [value]})
    if value == 2.0**63:
        rule = "int64"  # of float64 it is known
    if rule is None:
        assert typed(rows, (described,), check=True)[column].to_list() == [value]
    else:
        with pytest.raises(BrokenRows, match=f"breaks the rule {rule}: "):
            typed(rows, (described,), check=True)
