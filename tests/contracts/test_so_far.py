"""What is counted so far: by hand, and against a plain count row by row, with ties, missing keys and months in any order."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from contracts.dataset.served import as_read
from contracts.serving.request import column_rules, request_of
from contracts.tables.computed.so_far import SoFarColumns, history_of
from contracts.tables.raw import main_columns
from serving.client.rows import needed_columns
from tests.contracts.declared import FEATURE, LABEL, declared

T = {"name": "t", "role": "time", "dtype": "datetime"}
USER = {"name": "user", "role": "entity", "dtype": "string", "nullable": True}
AD = {"name": "ad", "role": "creative", "dtype": "int"}
SHOWN = {"name": "shown", "role": "numeric", "dtype": "int", "nullable": True}
RATE = {"name": "rate", "role": "numeric", "dtype": "float"}


def so_far(column, **said):
    return column | {"so_far": said}


USER_CLICKS = so_far(SHOWN, count="clicks", per="user")
AD_ROWS = so_far(SHOWN | {"name": "ad_rows", "nullable": False}, count="impressions", per=["ad"])
AD_RATE = so_far(RATE, rate="clicks", per="ad", smoothing=2, prior=0.25)


def at(*hours: float) -> pl.Series:
    start = np.datetime64("2026-05-01T00:00:00", "us")
    stamps = pl.Series(start + (np.array(hours) * 3_600_000_000).astype(np.int64))
    return stamps.dt.cast_time_unit("us").dt.replace_time_zone("UTC")


def test_by_hand():
    rows = pl.DataFrame(
        {
            "t": at(0, 1, 1, 2, 30),
            "user": ["u", "u", "u", None, "u"],
            "ad": [7, 7, 8, 7, 7],
            "y": [1, 1, 0, 1, 0],
        }
    )
    late = so_far(SHOWN | {"name": "late"}, count="clicks", per="user", delay="1 hours")
    declaration = declared(T, USER, AD, LABEL, USER_CLICKS, late, AD_ROWS, AD_RATE)
    found = SoFarColumns(declaration, [rows]).of(rows)
    assert {column.name: column.to_list() for column in found} == {
        "shown": [0, 1, 1, None, 2],
        "late": [0, 0, 0, None, 2],  # what was an hour before, to the second, counts for nothing yet
        "ad_rows": [0, 1, 0, 2, 3],
        "rate": [0.25, 1.5 / 3, 0.25, 2.5 / 4, 3.5 / 5],
    }
    assert [column.dtype for column in found] == [pl.Int64, pl.Int64, pl.Int64, pl.Float64]
    stranger = pl.DataFrame({"t": at(99), "user": ["new"], "ad": [9]}, schema_overrides={"ad": pl.Int64})
    assert [column.to_list() for column in SoFarColumns(declaration, [rows]).of(stranger)] == [[0], [0], [0], [0.25]]
    assert [column.to_list() for column in SoFarColumns(declaration, []).of(stranger)] == [[0], [0], [0], [0.25]]


def plainly(asked: pl.DataFrame, history: pl.DataFrame, per: list[str], delay: timedelta) -> list[tuple[int, int] | None]:
    """Impressions and clicks, row by row."""
    found = []
    rows = history.select(*per, "t", "n", "k").rows()
    for *key, time in asked.select(*per, "t").rows():
        earlier = [(n, k) for *other, then, n, k in rows if other == key and then < time - delay]
        found.append(None if None in key else (sum(n or 1 for n, _ in earlier), sum(k for _, k in earlier)))
    return found


@pytest.mark.parametrize("seed", range(4))
def test_random_rows_are_counted_as_plainly_whatever_their_order(tmp_path, seed):
    rng = np.random.default_rng(seed)
    size = 400
    clicks = rng.integers(0, 3, size)
    rows = pl.DataFrame(
        {
            "t": at(*rng.integers(0, 60, size)),  # many at one instant
            "user": rng.choice(np.array(["a", "b", "c", None], dtype=object), size).tolist(),
            "ad": rng.integers(0, 4, size),
            "n": pl.Series(clicks + rng.integers(1, 4, size)).scatter(np.flatnonzero(clicks == 0)[:20], None),
            "k": clicks,
        },
        schema_overrides={"user": pl.String},
    )
    counts = [
        {"name": "n", "role": "impressions", "dtype": "int", "nullable": True},
        {"name": "k", "role": "clicks", "dtype": "int"},
    ]
    both = so_far(SHOWN | {"name": "both"}, count="impressions", per=["ad", "user"], delay="90 minutes")
    rate = so_far(RATE | {"nullable": True}, rate="clicks", per=["user"], smoothing=0.5, prior=0.1)
    declaration = declared(T, USER, AD, FEATURE, *counts, both, rate)
    files = []
    for place, part in enumerate(np.array_split(rng.permutation(size), 3)):  # months whose rows lie anywhere
        files.append(tmp_path / f"{place}.parquet")
        rows[part].write_parquet(files[-1])
    asked = rows.sample(fraction=1, shuffle=True, seed=seed)
    found = {column.name: column.to_list() for column in SoFarColumns(declaration, history_of(files, declaration)).of(asked)}
    expected = plainly(asked, rows, ["ad", "user"], timedelta(minutes=90))
    assert found["both"] == [one and one[0] for one in expected]
    expected = plainly(asked, rows, ["user"], timedelta(0))
    assert found["rate"] == [one and (one[1] + 0.5 * 0.1) / (one[0] + 0.5) for one in expected]
    assert None in found["both"] and max(filter(None, found["both"])) > 50


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ([so_far(SHOWN, per="user")], "so_far needs either count \\(impressions or clicks\\) or rate \\(clicks\\)"),
        ([so_far(SHOWN, count="clicks", rate="clicks", per="user")], "so_far needs either count"),
        ([so_far(SHOWN, count="clicks", per="user", prior=0.1)], "so_far needs smoothing and prior with rate"),
        ([so_far(RATE, rate="clicks", per="ad", smoothing=3)], "so_far needs smoothing and prior with rate"),
        ([so_far(RATE, rate="clicks", per="ad", smoothing=0, prior=0.1)], "greater than 0"),
        ([so_far(SHOWN, count="clicks", per=["user", "user"])], "so_far.per names a column twice"),
        ([so_far(SHOWN, count="clicks", per="user", delay="1 day")], "delay is a whole number of days, hours, minutes, seconds"),
        ([so_far(RATE, count="clicks", per="ad")], "a count so far has role numeric and dtype int"),
        ([so_far(SHOWN, rate="clicks", per="ad", smoothing=1, prior=0)], "a rate so far has role numeric and dtype float"),
        ([so_far(SHOWN | {"missing": [0]}, count="clicks", per="user")], "it is counted, so it has no missing"),
        ([so_far(SHOWN | {"min": 1}, count="clicks", per="user")], "it has no min and no max"),
        ([so_far(SHOWN | {"nullable": False}, count="clicks", per="user")], "'user' may be missing, and nothing is counted then"),
        ([so_far(SHOWN, count="clicks", per="nobody")], "so_far.per 'nobody' is no column that is read"),
        ([so_far(SHOWN, count="clicks", per="t")], "so_far.per 't' is no column that is read, with one value in a cell"),
        ([so_far(SHOWN, count="clicks", per="y")], "so_far.per 'y' has role label, which is known only after"),
        ([USER_CLICKS, {"name": "w", "role": "weight", "dtype": "float"}], "rows have a weight \\('w'\\)"),
    ],
)
def test_what_cannot_be_counted_is_refused(columns, words):
    with pytest.raises(ValidationError, match=words):
        declared(T, USER, AD, FEATURE, LABEL, *columns)


def test_counting_needs_every_rows_time():
    for columns in ([], [T | {"nullable": True}]):
        with pytest.raises(ValidationError, match="column 'ad_rows': so_far needs a column with role time that every row has"):
            declared(AD, LABEL, AD_ROWS, *columns)


def test_files_hold_no_such_column_and_callers_send_it():
    declaration = declared(T, USER, AD, LABEL, USER_CLICKS, AD_RATE)
    assert main_columns(declaration, ()) == ("t", "user", "ad", "y")
    assert main_columns(declaration.given, ()) == ("t", "user", "ad", "y", "shown", "rate")
    request = request_of(declaration)
    assert [column.name for column in request.numeric] == ["shown", "rate"]
    assert [(c["low"], c["high"], c["min"], c["max"]) for c in (column_rules(c, True, None) for c in request.numeric)] == [
        (0.0, float(2**63), 0.0, None),
        (0.0, 1.0, 0.0, 1.0),
    ]
    words = (
        "the rows lack columns 'shown' \\(the number of clicks before the row's time with the same 'user', which the caller "
        "counts\\), 'rate' \\(\\(clicks \\+ 2 \\* 0.25\\) / \\(impressions \\+ 2\\) "
        "of what was before the row's time with the same 'ad'"
    )
    with pytest.raises(ValueError, match=words):
        needed_columns(request, ["user", "ad"])


def test_of_served_rows_it_is_what_was_sent():
    declaration = declared(T, USER, AD, LABEL, USER_CLICKS, source={"kind": "served", "served": "labels"})
    read = as_read(declaration)
    assert read.so_far == () and main_columns(read, ()) == ("t", "user", "ad", "y", "shown")
    assert declaration.digest == declared(T, USER, AD, LABEL, USER_CLICKS).digest != read.digest
