"""Drawings of the monitor's page, their places computed by hand."""

import re

import pytest

from lifecycle.monitor.findings import FindingTable, Point, Trend
from lifecycle.monitor.page.calibration import CalibrationBin, calibration_bins, drawn_calibration
from lifecycle.monitor.page.drawing import SMALL, drawn_series, drawn_unit
from lifecycle.monitor.page.joined import joined
from lifecycle.monitor.page.scale import axis
from lifecycle.monitor.page.wording import amount, number, period, plain_text
from tests.lifecycle.monitor.page.sample_report import DAY, START


def trend(*points: Point, unit: str = "share of rows") -> Trend:
    return Trend(subject="os", kind="missing", unit=unit, points=points)


def point(day: int, value: float | None, **others) -> Point:
    return Point(at_ns=START + day * DAY, value=value, **others)


def paths(svg: str, name: str) -> list[str]:
    return re.findall(rf'<path class="{name}" d="([^"]*)"', svg)


def test_a_line_goes_from_left_to_right_and_a_larger_value_stands_higher():
    """Of 100 pixels 8 and 18 are left at the ends; values 0 and 1 have a margin of 0.06: 0 is at 82 - 74 * 0.06 / 1.12."""
    svg = drawn_series(trend(point(0, 0.0), point(1, 1.0)), "a", SMALL)
    assert paths(svg, "line") == ["M44 78L234 12"]
    assert re.findall(r'<text class="y"[^>]*>([^<]*)<', svg) == ["0", "100"]
    assert re.findall(r"<text (?!class=.y)[^>]*>([^<]*)<", svg) == ["2026-11-01", "11-02"]


def test_a_gap_stays_a_gap_and_a_lone_point_is_seen():
    svg = drawn_series(trend(point(0, 1.0), point(1, None), point(2, 2.0), point(3, 2.0)), "a")
    assert [line.count("L") for line in paths(svg, "line")] == [0, 1] and paths(svg, "line")[0].endswith("h.1")


def test_band_whiskers_and_marks_are_drawn_where_they_are():
    svg = drawn_series(
        trend(
            point(0, 1.0, low=0.5, high=1.5, expected_low=0.5, expected_high=1.5),
            point(1, 1.0, expected_low=0.5, expected_high=1.5),
            point(2, 1.5, low=1.0, high=1.5, verdict="watch"),
            point(3, 1.5, verdict="warning"),
            point(4, 1.5, verdict="page"),
        ),
        "a",
    )
    assert paths(svg, "band") == ["M44 12L91.5 12L91.5 78L44 78z"]
    assert paths(svg, "whisker") == ["M44 78V12M139 45V12"]
    assert re.findall(r'class="(watch|warning|page)"', svg) == ["watch", "warning", "page"]


def test_a_drawing_says_in_words_what_it_shows():
    svg = drawn_series(
        trend(point(0, 0.01), point(9, 0.05, low=0.04, high=0.06, expected_low=0.0, expected_high=0.02, verdict="page")), "a"
    )
    assert '<title id="a-t">os: missing</title>' in svg and 'aria-labelledby="a-t a-d"' in svg
    assert (
        "2 points from 2026-11-01 00:00 to 2026-11-10 00:00; last 5.00\u00a0% of rows (4.00 to 6.00 % of rows), "
        "expected 0 to 2.00 % of rows; 1 times page." in svg
    )
    assert "No points." in drawn_series(trend(), "b")


def test_long_series_keep_their_worst_point_and_all_that_their_intervals_reach():
    points = [point(day, float(day), low=day - 1.0, high=day + 1.0, verdict="page" if day == 4 else "ok") for day in range(9)]
    found = joined(points, most=3)
    assert [one.value for one in found] == [1.0, 4.0, 7.0] and [one.verdict for one in found] == ["ok", "page", "ok"]
    assert [(one.low, one.high) for one in found] == [(-1.0, 3.0), (2.0, 6.0), (5.0, 9.0)]
    assert len(joined([point(day, 1.0) for day in range(721)])) <= 120
    assert joined(points[:3], most=3) == points[:3]


def test_an_axis_of_one_value_or_none_has_it_in_the_middle():
    assert axis([5.0], 0, 100)(5.0) == "50" and axis([], 0, 100)(0.0) == "50" and axis([0.0, 0.0], 0, 100)(0.0) == "50"
    assert axis([-1e308, 1e308], 0, 100)(0.0) == "50"


def test_a_table_with_predicted_and_observed_is_a_calibration_curve():
    table = FindingTable(
        title="", columns=["Rows", "Predicted", "Observed", "low", "high"], rows=[[9, 0.1, 0.2, 0.15, 0.3], [9, None, 0.2]]
    )
    assert calibration_bins(table) == [CalibrationBin(predicted=0.1, observed=0.2, low=0.15, high=0.3)]
    assert calibration_bins(FindingTable(title="", columns=["rows", "predicted"], rows=[[1, 0.1]])) == []


def test_what_came_true_lies_on_the_diagonal():
    bins = [
        CalibrationBin(predicted=p, observed=p * times, low=None, high=None) for p, times in ((0.01, 1), (0.03, 1), (0.09, 2))
    ]
    svg = drawn_calibration(bins, "c")
    dots = [(float(x), float(y)) for x, y in re.findall(r'cx="([\d.]+)" cy="([\d.]+)"', svg)]
    shares = [((x - 44) / (354 - 44), (266 - y) / (266 - 8)) for x, y in dots]
    assert [round(x - y, 2) for x, y in shares[:2]] == [0.0, 0.0] and shares[2][1] > shares[2][0] + 0.1
    assert "9.00 % predicted, 18.0 % observed" in svg
    assert drawn_calibration([CalibrationBin(predicted=0.0, observed=0.1, low=0.0, high=0.2)] * 2, "d").count("<circle") == 2


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0"), (1234.5, "1,234"), (12.345, "12.3"), (0.012345, "0.0123"), (1.2e-7, "1.2e-07"), (-0.5, "-0.500"), (None, "–")],
)
def test_numbers_have_three_digits_that_count(value, shown):
    assert number(value) == shown


def test_amounts_have_their_unit():
    assert amount(0.0502, "share of rows") == "5.02\u00a0% of rows" and amount(0.4, "share") == "40.0\u00a0%"
    assert [amount(seconds, "seconds") for seconds in (90.0, 600.0, 93_600.0, 864_000.0)] == [
        "90.0 s",
        "10.0 min",
        "26.0 h",
        "10.0 days",
    ]
    assert drawn_unit(trend(point(0, 10.0), point(1, 7300.0), unit="seconds")) == "h"


def test_whole_days_are_shown_without_hours():
    assert period(START, START + DAY) == "2026-11-01" and period(START, START + 3 * DAY) == "2026-11-01 to 2026-11-03"
    hour = DAY // 24
    assert period(START, START + hour) == "2026-11-01 00:00 to 01:00"
    assert period(START + hour, START + DAY) == "2026-11-01 01:00 to 2026-11-02 00:00"


def test_long_texts_are_cut_and_unseen_characters_named():
    assert plain_text("a\u200bb\x1bc\n") == "a\\u200bb\\u001bc\n"
    assert plain_text("x" * 5000).endswith("… (5,000 characters)") and plain_text(None) == "" and plain_text(7) == "7"
