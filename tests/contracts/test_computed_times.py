"""Columns computed from times: parts of one, and the difference of two."""

from dataclasses import replace
from datetime import UTC, datetime

import polars as pl
import pytest
from pydantic import ValidationError

from contracts.dataset.served import as_read
from contracts.serving.request import request_of
from contracts.tables.chunk import ROW
from serving.client.rows import needed_columns, typed
from tests.contracts.declared import FEATURE, LABEL, check_text, declared

T = {"name": "t", "role": "time", "dtype": "datetime", "time_zone": "Europe/Berlin", "nullable": True}
JOINED = {"name": "joined", "role": "info", "dtype": "datetime", "nullable": True}


def part(name, **more):
    return {"name": name, "role": "categorical", "dtype": "int", "derive_from": "t", "part": name, "nullable": True} | more


def since(name, dtype="float", **more):
    column = {"name": name, "role": "numeric", "dtype": dtype, "derive_from": "t", "minus": "joined", "unit": name}
    return column | {"nullable": True} | more


def read(tmp_path, rows, *columns):
    clean, rejected = check_text(tmp_path, "t,joined,c,y\n" + rows, T, JOINED, *columns, FEATURE, LABEL)
    return clean.drop("t", "joined", "c", "y", ROW).rows(), [row[:3] for row in rejected]


def test_year_and_minute_are_those_of_the_time_zone(tmp_path):
    rows = "2025-12-31 23:59:30,,a,0\n2025-12-31T23:30:00Z,,a,1\n,,a,1\n"
    assert read(tmp_path, rows, part("year"), part("minute")) == ([(2025, 59), (2026, 30), (None, None)], [])


def test_a_difference_counts_units_and_their_fractions(tmp_path):
    rows = "2026-05-02 14:00:00,2026-05-01T00:00:00Z,a,0\n2026-05-01T00:00:00Z,2026-05-01T00:00:01.5Z,a,1\n"
    found, rejected = read(tmp_path, rows, *(since(unit) for unit in ("days", "hours", "minutes", "seconds")))
    assert rejected == [] and found == [(1.5, 36.0, 2160.0, 129600.0), (-1.5 / 86400, -1.5 / 3600, -0.025, -1.5)]
    found, _ = read(tmp_path, rows, *(since(unit, "int") for unit in ("days", "hours", "seconds")))
    assert found == [(1, 36, 129600), (-1, -1, -2)]


def test_a_day_is_24_hours_when_the_clocks_change(tmp_path):
    found, _ = read(tmp_path, "2026-03-30 00:00:00,2026-03-28T23:00:00Z,a,0\n", since("hours", "int"))
    assert found == [(23,)]  # Berlin had no hour 2 on the 29th


def test_a_difference_is_checked_like_any_other_column(tmp_path):
    rows = "2026-05-02,2026-05-03,a,0\n2026-05-02,,a,1\nnever,2026-05-01,a,1\n2026-05-02,2026-05-01,a,1\n"
    found, rejected = read(tmp_path, rows, since("days", min=0, nullable=False))
    assert rejected == [(1, "days", "min"), (2, "days", "not_null"), (3, "t", "dtype")]
    assert found == [(1 - 2 / 24,)]  # t is Berlin's, joined is UTC


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (since("days", unit=None), "minus and unit are given together"),
        (since("days", minus=None), "minus and unit are given together"),
        (since("days", derive_from=None), "derive_from and part are given together, or derive_from, minus and unit"),
        (since("days", part="hour"), "part or minus: a part of a time, or the difference of two"),
        (since("days", minus="t"), "'t' minus itself is nothing"),
        (since("days", minus="c"), "column 'days': minus 'c' is no declared datetime column"),
        (since("days", role="info", dtype="string"), "a difference has dtype int or float, got string"),
        (since("days", unit="weeks"), "'days', 'hours', 'minutes' or 'seconds'"),
        (part("year", dtype="string"), "a derived column has dtype int"),
    ],
)
def test_what_cannot_be_computed_is_refused(column, words):
    with pytest.raises(ValidationError, match=words):
        declared(T, JOINED, FEATURE, LABEL, column)


def test_a_caller_gives_both_times_or_the_difference():
    request = request_of(declared(T, JOINED, since("hours"), FEATURE, LABEL))
    assert [column.name for column in request.instants] == ["t", "joined"]
    times = pl.DataFrame({"t": [datetime(2026, 5, 1, 3, tzinfo=UTC)], "joined": ["2026-05-01"], "c": ["a"]})
    assert typed(times, needed_columns(request, times.columns), True)["hours"].to_list() == [3.0]
    given = pl.DataFrame({"t": times["t"], "hours": [7.5], "c": ["a"]})
    assert typed(given, needed_columns(request, given.columns), True)["hours"].to_list() == [7.5]
    with pytest.raises(ValueError, match=r"'hours' \(or 't' and 'joined', from which it is computed\)"):
        needed_columns(request, ["t", "c"])


def test_a_difference_changes_requests_and_served_rows_have_it():
    declaration = declared(T, JOINED, since("hours"), FEATURE, LABEL)
    assert declaration.digest != declared(T, JOINED, since("hours", unit="days"), FEATURE, LABEL).digest
    served = as_read(replace(declaration, source=replace(declaration.source, kind="served", served="there"))).column("hours")
    assert served.instants == () and served.unit is None
