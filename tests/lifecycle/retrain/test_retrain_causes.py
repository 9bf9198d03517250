"""When another model is due, and what stands in the way."""

from dataclasses import replace

import pytest

from contracts.lifecycle.retraining import LifecycleConfig
from contracts.params import read_section
from lifecycle.retrain.calendar import after, end_of_day, end_of_month, last_whole_month, month_of, shown, time_ns
from lifecycle.retrain.causes import Known, cause_of, obstacle_of
from tests.project.imports import ROOT

CONFIG = read_section("lifecycle", LifecycleConfig, ROOT / "params.yaml").retraining
NOW = time_ns("2026-10-05T12:00+00:00")
QUIET = Known(now_ns=NOW, model_until_ns=time_ns("2026-10-01"), mature_until_ns=time_ns("2026-10-02"), rows=10**6, rollout=None)


@pytest.mark.parametrize(
    "at, span, then",
    [
        ("2026-01-31T10:20:30", "1mo", "2026-02-28T10:20:30"),
        ("2024-01-31", "1mo", "2024-02-29"),
        ("2026-11-30", "14mo", "2028-01-30"),
        ("2026-12-31T23:00", "2h", "2027-01-01T01:00"),
        ("2026-02-27", "3d", "2026-03-02"),
    ],
)
def test_a_span_later_is_a_time_of_the_calendar(at, span, then):
    assert after(time_ns(at), span) == time_ns(then)


def test_months_and_days_end_at_midnight():
    last = time_ns("2026-12-31T23:59:59") + 999_999_999
    assert (month_of(last), month_of(last + 1)) == ("2026-12", "2027-01")
    assert end_of_month("2026-12") == end_of_day(last) == last + 1 == end_of_day(last + 1)
    assert (last_whole_month(last), last_whole_month(last + 1)) == ("2026-11", "2026-12")
    assert shown(last) == "2026-12-31 23:59"


@pytest.mark.parametrize(
    "known, config, kind",
    [
        ({}, {}, None),
        ({"drift": "age shifted"}, {}, "drift"),
        ({"drift": "age shifted", "quality": "worse"}, {}, "quality"),
        ({"drift": "age shifted"}, {"triggers": ("new_month",)}, None),
        ({"model_until_ns": time_ns("2026-09-30")}, {}, "new_month"),
        ({"model_until_ns": time_ns("2026-09-30")}, {"triggers": ("drift",)}, None),
        ({"model_until_ns": time_ns("2026-09-30"), "mature_until_ns": time_ns("2026-09-30T23:59")}, {}, None),
        ({"model_until_ns": time_ns("2026-09-30"), "mature_until_ns": None}, {}, None),
        ({}, {"every": "7d"}, None),
        ({"now_ns": time_ns("2026-10-08")}, {"every": "7d"}, "every"),
        ({"now_ns": time_ns("2026-10-31")}, {"every": "1mo"}, None),
        ({"now_ns": time_ns("2026-11-01")}, {"every": "1mo"}, "every"),
        ({"model_until_ns": None}, {"every": "1mo"}, "every"),
        ({"model_until_ns": None}, {}, None),
    ],
)
def test_a_training_has_a_cause(known, config, kind):
    found = cause_of(replace(CONFIG, **config), replace(QUIET, **known))
    assert (found and found.kind) == kind


@pytest.mark.parametrize(
    "known, is_asked, says",
    [
        ({}, False, None),
        ({"rollout": "the rollout x is under way"}, True, "the rollout x is under way"),
        ({"ended_ns": time_ns("2026-10-02T12:01+00:00")}, False, "there is none until 2026-10-05 12:01"),
        ({"ended_ns": time_ns("2026-10-02T12:01+00:00")}, True, None),
        ({"ended_ns": time_ns("2026-10-02T12:00+00:00")}, False, None),
        ({"rows": 49_999}, True, r"49,999 rows have final labels, 50,000 are needed"),
        ({"rows": None}, False, None),
        ({"core_s": 40 * 3600 - 1.0}, False, None),
        ({"core_s": 40 * 3600.0}, True, "40.00 of 40 core hours of this month are spent"),
    ],
)
def test_an_obstacle_is_told_with_its_figures(known, is_asked, says):
    found = obstacle_of(CONFIG, replace(QUIET, **known), is_asked)
    assert found is None if says is None else says in str(found)
