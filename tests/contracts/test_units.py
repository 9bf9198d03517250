"""Numbers that files write in another unit than the declared one: suffixes and scales, read exactly."""

from decimal import Context, Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts.dataset.served import as_read
from contracts.dataset.source import SourceError
from contracts.serving.request import column_rules, request_of
from contracts.tables.number_cells import times
from contracts.tables.spellings import product
from serving.client.errors import BrokenRows
from serving.client.rows import typed
from serving.predict.input import published_rows
from tests.contracts.declared import FEATURE, LABEL, check_file, check_text, declared

SHARE = {"name": "x", "role": "numeric", "dtype": "float", "suffix": "%", "scale": 0.01}
EURO = {"name": "x", "role": "numeric", "dtype": "float", "scale": 0.01}


def read(tmp_path, cells, column, **source):
    """The values read, and (row, rule, value) of the cells that are rejected."""
    content = "c;x;y\n" + "".join(f"a;{cell};0\n" for cell in cells)
    source = {"format": {"delimiter": ";"} | source}
    clean, rejected = check_text(tmp_path, content, FEATURE, column, LABEL, source=source)
    return clean["x"].to_list(), [(row, rule, value) for row, _, rule, value, _ in rejected]


def test_percent_signs_are_read_and_required(tmp_path):
    cells = ["12.5%", " 7 % ", "-0.1%", "1e1%", "12.5", "%", "5%%", "many%"]
    values, rejected = read(tmp_path, cells, SHARE)
    assert values == [0.125, 0.07, -0.001, 0.1]
    assert rejected == [(5, "dtype", "12.5"), (6, "dtype", "%"), (7, "dtype", "5%%"), (8, "dtype", "many%")]


def test_marks_of_the_format_hold_in_front_of_a_suffix(tmp_path):
    values, rejected = read(
        tmp_path, ["1.234,5 km", "0,1 km"], SHARE | {"suffix": "km", "scale": 1000}, decimal=",", thousands="."
    )
    assert (values, rejected) == ([1234500.0, 100.0], [])


@pytest.mark.parametrize(
    ("scale", "cell", "value"), [(0.01, "1999", 19.99), (60, "1.1", 66.0), (0.25, "0.3", 0.075), (0.3, ".1", 0.03)]
)
def test_a_scale_is_exact(tmp_path, scale, cell, value):
    assert read(tmp_path, [cell], EURO | {"scale": scale}) == ([value], [])


def test_whole_numbers_stay_whole_and_exact(tmp_path):
    cells = ["1.5", "9007199254740.993", "1.0001", "99999999999999999", "1e400"]
    values, rejected = read(tmp_path, cells, EURO | {"dtype": "int", "scale": 1000})
    assert values == [1500, 9007199254740993]
    assert [row[:2] for row in rejected] == [(3, "dtype"), (4, "int64"), (5, "int64")]
    assert read(tmp_path, ["7"], EURO | {"dtype": "int", "scale": 3})[0] == [21]


def test_missing_is_what_the_source_writes_and_bounds_hold_in_the_declared_unit(tmp_path):
    column = SHARE | {"missing": ["-", -1], "nullable": True, "min": 0, "max": 1}
    values, rejected = read(tmp_path, ["-", "-1", "-1%", "", "100%", "101%", "-2%"], column)
    assert values == [None, None, None, None, 1.0]
    assert rejected == [(6, "max", "101%"), (7, "min", "-2%")]


@pytest.mark.parametrize(
    ("cells", "value"),
    [
        (pl.Series([1999], dtype=pl.Int32), 19.99),
        (pl.Series([0.1], dtype=pl.Float32), 0.001),
        (pl.Series([0.7], dtype=pl.Float64), 0.007),
        (pl.Series([Decimal("12.50")], dtype=pl.Decimal(10, 2)), 0.125),
    ],
)
def test_parquet_numbers_are_scaled_by_the_decimals_they_mean(tmp_path, cells, value):
    pl.DataFrame({"c": ["a"], "x": cells, "y": [0]}).write_parquet(tmp_path / "a.parquet")
    clean, rejected = check_file(tmp_path / "a.parquet", declared(FEATURE, EURO, LABEL))
    assert rejected == [] and clean["x"].to_list() == [value]


def test_parquet_numbers_bear_no_suffix_and_infinity_stays_itself(tmp_path):
    pl.DataFrame({"c": ["a"], "x": [float("inf")], "y": [0]}).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(SourceError, match="column 'x' holds Float64, and its suffix is '%'; only texts bear one"):
        check_file(tmp_path / "a.parquet", declared(FEATURE, SHARE, LABEL))
    _, rejected = check_file(tmp_path / "a.parquet", declared(FEATURE, EURO, LABEL))
    assert rejected == [(1, "x", "finite", "inf", 1)]


NUMBERS = st.from_regex(r"[+-]?[0-9]{1,20}(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?", fullmatch=True)


@settings(max_examples=200, deadline=None)
@given(NUMBERS, st.sampled_from([0.01, 0.001, 100.0, 1e-6, 60.0, 0.5, 3.6, 1e22]))
def test_both_readers_give_the_decimal_product(text, scale):
    factor = Decimal(repr(scale))
    expected = Context(prec=100).multiply(Decimal(text), factor)
    assert Decimal(product(text, factor)) == expected
    (found,) = pl.Series("x", [text]).to_frame().select(times(pl.col("x"), pl.String(), scale)).to_series()
    assert Decimal(found) == expected
    assert float(found) == pl.Series([found]).cast(pl.Float64)[0] == float(expected)


def test_what_is_no_number_or_endless_has_no_product():
    assert [product(text, Decimal("0.3")) for text in ("a", "1.2.3", "", "1" * 401, "1e9999999")] == [None] * 5


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"role": "info"}, "suffix and scale need role numeric, got info"),
        ({"suffix": ""}, "suffix is what stands behind the digits"),
        ({"suffix": "%5"}, "without digits and blanks around it"),
        ({"suffix": " %"}, "without digits and blanks around it"),
        ({"suffix": ".x"}, "suffix is what stands behind the digits"),
        ({"scale": 0}, "scale is a number above 0"),
        ({"scale": -1}, "scale is a number above 0"),
        ({"scale": float("inf")}, "scale is a number above 0"),
    ],
)
def test_units_that_make_no_sense_are_refused(change, words):
    with pytest.raises(ValidationError, match=words):
        declared(FEATURE, LABEL, SHARE | change)


def test_a_joins_key_has_no_unit():
    with pytest.raises(ValidationError, match="the join's key 'x' has a suffix or a scale"):
        declared(FEATURE, LABEL, SHARE, source={"joins": [{"files": "a.csv", "key": "x"}]})


def test_requests_are_in_the_declared_unit():
    share, euro = (declared(FEATURE, column | {"missing": [-1, "-"], "nullable": True}, LABEL) for column in (SHARE, EURO))
    (sent,) = request_of(euro).numeric
    assert (sent.suffix, sent.scale, sent.missing) == (None, None, ("-",))
    (sent,) = request_of(share).numeric
    assert (sent.suffix, sent.scale, sent.missing) == ("%", 0.01, ("-",))
    assert column_rules(sent, True, None)["missing_numbers"] == []
    plain = declared(FEATURE, EURO | {"scale": None}, LABEL)
    assert len({plain.digest, declared(FEATURE, EURO, LABEL).digest, declared(FEATURE, SHARE, LABEL).digest}) == 3
    served = as_read(declared(FEATURE, SHARE, LABEL, source={"kind": "served", "served": "there"})).column("x")
    assert (served.suffix, served.scale) == (None, None)


@pytest.mark.parametrize("check", [True, False])
def test_a_clients_numbers_are_in_the_declared_unit_and_texts_bear_the_suffix(check):
    (share,) = request_of(declared(FEATURE, SHARE, LABEL)).numeric
    (euro,) = request_of(declared(FEATURE, EURO, LABEL)).numeric
    for cells, column in (([0.125], share), (["12.5%"], share), ([0.125], euro), (["0.125"], euro)):
        assert typed(pl.DataFrame({"x": cells}), (column,), check)["x"].cast(pl.Float64).to_list() == [0.125]
    with pytest.raises(BrokenRows, match="a number with '%' behind it"):
        typed(pl.DataFrame({"x": ["0.125"]}), (share,), check)


def test_files_without_a_declaration_are_in_the_published_unit(tmp_path):
    request = request_of(declared(SHARE, LABEL))
    (tmp_path / "rows.csv").write_text("x\n12.5%\n0.125\n")
    pl.DataFrame({"x": [0.125]}).write_parquet(tmp_path / "rows.parquet")
    for name, values, broken in (("rows.csv", [0.125], [2]), ("rows.parquet", [0.125], [])):
        rows = published_rows(tmp_path / name, request)
        ((clean, rejected),) = [rows.contract.check(chunk) for chunk in rows.chunks]
        assert (clean["x"].to_list(), rejected["row"].to_list()) == (values, broken)
