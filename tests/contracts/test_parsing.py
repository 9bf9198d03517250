"""Cells to values: missing markers, labels, numbers, times."""

from datetime import UTC, datetime

import polars as pl
import pytest

from contracts.tables.chunk import ROW
from tests.contracts.declared import FEATURE, LABEL, check_file, check_text, declared


def values_of(tmp_path, column, cells, fmt=None):
    """What the cells of column x become; a rejected cell becomes its rule."""
    content = "x|c|y\n" + "".join(f"{cell}|a|1\n" for cell in cells)
    source = {"format": {"delimiter": "|", **(fmt or {})}}
    clean, rejected = check_text(tmp_path, content, {"name": "x", **column}, FEATURE, LABEL, source=source)
    by_row = dict(zip(clean[ROW].to_list(), clean["x"].to_list(), strict=True))
    by_row |= {row: f"! {rule}" for row, _, rule, _, _ in rejected}
    return [by_row[row] for row in range(1, len(cells) + 1)]


NUMBER = {"role": "numeric", "dtype": "int", "nullable": True}


def test_missing_markers_become_missing_and_nothing_else_does(tmp_path):
    column = {**NUMBER, "missing": [999, "unknown"]}
    cells = ["999", "999.0", " 999 ", "unknown", "", " ", "9990", "-999", "Unknown"]
    assert values_of(tmp_path, column, cells) == [None] * 6 + [9990, -999, "! dtype"]


def test_missing_markers_of_strings_are_compared_as_written(tmp_path):
    column = {"role": "categorical", "dtype": "string", "nullable": True, "missing": ["NA", -1]}
    assert values_of(tmp_path, column, ["NA", "-1", "", "na", "-1.0"]) == [None, None, None, "na", "-1.0"]


def test_nan_is_missing_only_if_declared(tmp_path):
    column = {"role": "numeric", "dtype": "float", "nullable": True}
    assert values_of(tmp_path, column, ["NaN", "1"]) == ["! finite", 1.0]
    assert values_of(tmp_path, {**column, "missing": ["NaN"]}, ["NaN", "nan", "1"]) == [None, None, 1.0]


def test_whole_numbers_may_be_written_as_floats(tmp_path):
    cells = ["3.0", "3", "-3.0", "1e3", "+4", " 5 ", "3.5", "0x10", "9223372036854775807", "9223372036854775808"]
    expected = [3, 3, -3, 1000, 4, 5, "! dtype", "! dtype", 9223372036854775807, "! int64"]
    assert values_of(tmp_path, NUMBER, cells) == expected


def test_decimal_comma_and_thousands_are_read_and_english_numbers_are_not(tmp_path):
    column = {"role": "numeric", "dtype": "float", "nullable": True}
    german = {"decimal": ",", "thousands": "."}
    cells = ["1,5", "1.234,5", "1.234.567", "-0,25", "1.5", "12.34,5", "1,234.5", "7"]
    expected = [1.5, 1234.5, 1234567.0, -0.25, "! dtype", "! dtype", "! dtype", 7.0]
    assert values_of(tmp_path, column, cells, german) == expected
    assert values_of(tmp_path, column, ["1,5", "1.5"], {"decimal": ","}) == [1.5, "! dtype"]
    assert values_of(tmp_path, column, ["1,234.5", "1,5"], {"thousands": ","}) == [1234.5, "! dtype"]
    assert values_of(tmp_path, NUMBER, ["1.234", "12"], german) == [1234, 12]


def test_digits_may_be_grouped_by_spaces_that_do_not_break_a_line(tmp_path):
    french = {"decimal": ",", "thousands": " "}
    column = {"role": "numeric", "dtype": "float"}
    assert values_of(tmp_path, column, ["1 234,5", "1\u202f234,5", "1\u00a0234,5"], french) == [1234.5] * 3


def test_booleans_in_their_usual_spellings(tmp_path):
    column = {"role": "categorical", "dtype": "bool"}
    cells = ["True", "false", "1", "0", "yes", "NO", " t ", "F", "2"]
    assert values_of(tmp_path, column, cells) == [True, False, True, False, True, False, True, False, "! dtype"]


@pytest.mark.parametrize(
    ("label", "cells"),
    [
        ({"dtype": "int"}, ["0", "1", "1.0", " 1 "]),
        ({"dtype": "string", "labels": {"no": 0, "yes": 1}}, ["no", "yes", "yes ", " yes"]),
        ({"dtype": "int", "labels": {-1: 0, 1: 1}}, ["-1", "1", "1.0", "+1"]),
        ({"dtype": "int", "labels": {1: 0, 2: 0, 3: 0, 4: 1, 5: 1}}, ["3", "4", "5", "5.0"]),
        ({"dtype": "bool"}, ["False", "True", "yes", "1"]),
        ({"dtype": "int", "at_least": 4}, ["3", "4", "5.0", "1e3"]),
        ({"dtype": "int", "at_least": 3.5}, ["3", "4", " 5 ", "+4"]),
        ({"dtype": "int", "at_least": 9007199254740993}, ["9007199254740992", "9007199254740993", "9e18", "9007199254740994"]),
        ({"dtype": "float", "at_least": 3.5}, ["3.499999", "3.5", "4", "1e30"]),
        ({"dtype": "float", "at_least": -1}, ["-1.5", "-1", "0", "-0.5"]),
        ({"dtype": "string", "labels": {"<=50K": 0, "<=50K.": 0, ">50K": 1}}, ["<=50K.", ">50K", ">50K", ">50K"]),
    ],
)
def test_labels_are_mapped_to_0_and_1(tmp_path, label, cells):
    content = "c,y\n" + "".join(f"a,{cell}\n" for cell in cells)
    clean, rejected = check_text(tmp_path, content, FEATURE, {"name": "y", "role": "label", **label})
    assert rejected == []
    assert clean["y"].to_list() == [0, 1, 1, 1]
    assert clean.schema["y"] == pl.Int8


def rated(tmp_path, cells, **more):
    """Labels at least 4 of the cells, and the rules that others break."""
    content = "c,y\n" + "".join(f"a,{cell}\n" for cell in cells)
    label = {"name": "y", "role": "label", "dtype": "float", "at_least": 4, **more}
    clean, rejected = check_text(tmp_path, content, FEATURE, label)
    return clean["y"].to_list(), [(row, rule) for row, _, rule, _, _ in rejected]


def test_a_rating_that_is_missing_or_no_number_is_no_label(tmp_path):
    cells = ["5", "", "NaN", "inf", "-inf", "many", "-1", "3"]
    labels, rejected = rated(tmp_path, cells, missing=[-1])
    assert labels == [1, 0]
    assert rejected == [(2, "not_null"), (3, "label"), (4, "label"), (5, "label"), (6, "label"), (7, "not_null")]
    assert rated(tmp_path, ["4", "4.5", "-1.0"], dtype="int", missing=[-1]) == ([1], [(2, "label"), (3, "not_null")])


def test_a_rating_in_parquet_is_a_label_as_in_text(tmp_path):
    ratings = pl.Series("y", [3.9, 4.0, None, float("nan"), float("inf")])
    pl.DataFrame({"c": ["a"] * 5}).with_columns(ratings).write_parquet(tmp_path / "rows.parquet")
    label = {"name": "y", "role": "label", "dtype": "float", "at_least": 4}
    clean, rejected = check_file(tmp_path / "rows.parquet", declared(FEATURE, label))
    assert clean["y"].to_list() == [0, 1]
    assert [row[:3] for row in rejected] == [(3, "y", "not_null"), (4, "y", "not_null"), (5, "y", "label")]


def test_unquoted_yes_and_no_are_refused_with_advice():
    for key, value in (("labels", {True: 1, False: 0}), ("values", [True, False]), ("missing", [False])):
        column = {"name": "x", "role": "categorical", "dtype": "string", key: value}
        with pytest.raises(ValueError, match='without quotes as a boolean; write "yes", "no"'):
            declared(column, FEATURE, LABEL)


def utc(*parts):
    return datetime(*parts, tzinfo=UTC)


TIMES = {
    "2024-05-01 10:00:00": utc(2024, 5, 1, 10),
    "2024-05-01T10:00:00Z": utc(2024, 5, 1, 10),
    "2024-05-01T10:00:00.250+02:00": utc(2024, 5, 1, 8, 0, 0, 250_000),
    "2024-05-01 10:00:00+0530": utc(2024, 5, 1, 4, 30),
    "2024-05-01 10:00:00-05": utc(2024, 5, 1, 15),
    "2024-05-01 10:00:00 UTC": utc(2024, 5, 1, 10),
    "2024-05-01 10:00": utc(2024, 5, 1, 10),
    "2024-05-01T10:00Z": utc(2024, 5, 1, 10),
    "2024-05-01": utc(2024, 5, 1),
    "01.05.2024": "! dtype",
    "1714557600": "! dtype",
}


def test_iso_times_in_their_usual_spellings_are_utc(tmp_path):
    assert values_of(tmp_path, {"role": "time", "dtype": "datetime"}, list(TIMES)) == list(TIMES.values())


@pytest.mark.parametrize(
    ("form", "cell", "expected"),
    [
        ("%d.%m.%Y %H:%M", "31.12.2024 23:05", utc(2024, 12, 31, 23, 5)),
        ("%d/%m/%Y", "31/12/2024", utc(2024, 12, 31)),
        ("%y%m%d%H", "14102123", utc(2014, 10, 21, 23)),
        ("%m/%d/%Y %I:%M %p", "12/31/2024 11:05 PM", utc(2024, 12, 31, 23, 5)),
        ("%Y-%m-%d %H:%M:%S %z", "2024-01-01 10:00:00 +0200", utc(2024, 1, 1, 8)),
        ("%Y-%m-%d %H:%M:%S%:z", "2024-01-01 10:00:00+02:00", utc(2024, 1, 1, 8)),
        ("%H:%M:%S.%f %d/%m/%Y", "03:04:05.123456 31/12/2024", utc(2024, 12, 31, 3, 4, 5, 123_456)),
        ("%Y-%m-%d %H:%M:%S.%f", "2024-12-31 03:04:05.5", utc(2024, 12, 31, 3, 4, 5, 500_000)),
        ("%Y%m%d%H%M%S%3f", "20130606000104007", utc(2013, 6, 6, 0, 1, 4, 7_000)),
        ("epoch_s", "1714557600", utc(2024, 5, 1, 10)),
        ("epoch_s", "1714557600.5", utc(2024, 5, 1, 10, 0, 0, 500_000)),
        ("epoch_ms", "1714557600250", utc(2024, 5, 1, 10, 0, 0, 250_000)),
        ("epoch_us", "1714557600250000", utc(2024, 5, 1, 10, 0, 0, 250_000)),
        ("epoch_s", "1714557600250", "! dtype"),
    ],
)
def test_times_of_a_declared_format(tmp_path, form, cell, expected):
    assert values_of(tmp_path, {"role": "time", "dtype": "datetime", "format": form}, [cell]) == [expected]


def test_local_times_are_read_in_the_declared_zone_and_derived_parts_stay_local(tmp_path):
    time = {"name": "t", "role": "time", "dtype": "datetime", "time_zone": "Europe/Berlin"}
    hour = {"name": "hour", "role": "categorical", "dtype": "int", "derive_from": "t", "part": "hour"}
    weekday = {**hour, "name": "weekday", "part": "weekday"}
    rows = ["2024-07-01 00:30:00", "2024-01-01 00:30:00", "2024-03-31 02:30:00", "2024-07-01T00:30:00Z"]
    content = "t,c,y\n" + "".join(f"{row},a,1\n" for row in rows)
    clean, rejected = check_text(tmp_path, content, time, hour, weekday, FEATURE, LABEL)
    assert clean["t"].to_list() == [utc(2024, 6, 30, 22, 30), utc(2023, 12, 31, 23, 30), utc(2024, 7, 1, 0, 30)]
    assert clean["hour"].to_list() == [0, 0, 2]
    assert clean["weekday"].to_list() == [1, 1, 1]
    # An hour that the clocks skip is no time.
    assert [row[:3] for row in rejected] == [(3, "t", "dtype")]


def test_derived_parts_of_utc_times(tmp_path):
    time = {"name": "t", "role": "time", "dtype": "datetime"}
    parts = [
        {"name": part, "role": "categorical", "dtype": "int", "derive_from": "t", "part": part}
        for part in ("hour", "weekday", "day", "month")
    ]
    clean, _ = check_text(tmp_path, "t,y\n2024-02-29T23:59:59Z,1\n", time, *parts, LABEL)
    assert clean.select("hour", "weekday", "day", "month").rows() == [(23, 4, 29, 2)]
