"""Windows that Evidently is asked about: one thing is wrong in each, in as many rows as it says; and what it says of some."""

import polars as pl
import pytest

from bench.monitor import evidently
from bench.monitor.evidently import MONTH, WINDOWS, evidently_answers, months_of, what_was_named
from bench.monitor.months import exchange
from bench.parts import Unprepared
from stages.settings import load_params
from stages.simulate.config import ExchangeConfig

ROWS = 4_000
FAULTS = [key for key, window in WINDOWS.items() if window.column is not None]


@pytest.fixture(scope="module")
def months() -> dict[str, pl.DataFrame]:
    world = exchange(ExchangeConfig(**load_params()["exchange"]), 3)
    return months_of(world, ROWS, WINDOWS)


def test_only_the_column_that_is_wrong_differs_from_the_unchanged_month(months):
    good = months["unchanged"]
    for key in FAULTS:
        different = [name for name in good.columns if not good[name].equals(months[key][name])]
        assert different == [WINDOWS[key].column]


@pytest.mark.parametrize(("key", "share"), [("null", 0.9), ("empty", 0.05), ("cents", 0.05), ("hour", 0.05)])
def test_a_fault_touches_its_share_of_the_rows(months, key, share):
    column = WINDOWS[key].column
    good, bad = months["unchanged"][column], months[key][column]
    touched = ~good.eq_missing(bad)
    assert float(touched.mean()) == pytest.approx(share, abs=0.012)
    if key == "cents":
        assert (bad.filter(touched) / good.filter(touched)).to_list() == pytest.approx([100.0] * int(touched.sum()))
    elif key == "hour":
        assert ((bad.filter(touched) - good.filter(touched)) % 24).unique().to_list() == [2]
    else:
        assert bad.filter(touched).null_count() == touched.sum()


def test_an_unchanged_month_has_other_rows_and_a_later_one_other_creatives(months):
    assert not months["unchanged"]["user_id"].equals(months["reference"]["user_id"])
    creatives = {key: set(months[key]["creative_id"]) for key in ("reference", "unchanged", "turnover")}
    new = {key: len(creatives[key] - creatives["reference"]) / len(creatives[key]) for key in ("unchanged", "turnover")}
    assert new["unchanged"] < 0.25 < new["turnover"]
    assert months["unchanged"]["event_at"].dt.month().unique().to_list() == [int(MONTH[-2:])]


def answer(*drifted: str) -> dict:
    return {"columns": {name: {"drifted": name in drifted, "score": 0.25} for name in ("device", "hour", "user_id")}}


def test_what_was_named_says_whether_the_wrong_column_was_and_which_others():
    assert what_was_named(WINDOWS["unchanged"], answer()) == "drifted: no column"
    assert what_was_named(WINDOWS["turnover"], answer("user_id", "hour")) == "drifted: hour, user_id"
    assert what_was_named(WINDOWS["empty"], answer("user_id")) == "device not drifted (score 0.250); others drifted: user_id"
    assert what_was_named(WINDOWS["hour"], answer("hour")) == "hour drifted (score 0.250); others drifted: none"


def test_ours_is_asked_about_the_same_rows(months, monkeypatch):
    monkeypatch.setattr(
        evidently, "named_columns", lambda reference, rows: [name for name in ("device", "hour") if rows[name].null_count()]
    )
    found = evidently.ours(months)
    assert found["empty"] == "named: device" and found["unchanged"] == "named: no column" and set(found) == set(WINDOWS)


def test_ours_names_the_column_and_what_is_wrong_with_it():
    """The windows of the table in docs/monitoring.md, and as many rows."""
    world = exchange(ExchangeConfig(**load_params()["exchange"]), evidently.SEED)
    found = evidently.ours(evidently.months_of(world, evidently.ROWS, ("unchanged", "empty", "cents", "hour")))
    assert found == {
        "unchanged": "named: no column",
        "empty": "named: device missing",
        "cents": "named: floor_price unit",
        "hour": "named: hour offset",
    }


def test_without_its_environment_it_says_what_to_do(monkeypatch):
    monkeypatch.setattr(evidently, "PYTHON", evidently.PROJECT / ".venv-none/bin/python")
    with pytest.raises(Unprepared, match=r"\.venv-none/bin/python is missing; run `make bench-monitor`"):
        evidently.figures()


@pytest.mark.slow
@pytest.mark.skipif(not evidently.PYTHON.is_file(), reason="there is no .venv-evidently; run `make bench-monitor`")
def test_evidently_itself_finds_prices_in_cents_and_misses_a_column_that_is_nearly_empty(months):
    answers = evidently_answers({key: months[key] for key in ("reference", "cents", "null")})
    assert answers["cents"]["columns"]["floor_price"]["drifted"] and answers["cents"]["html_bytes"] > 1e6
    assert not answers["null"]["columns"]["user_segment"]["drifted"]
