"""The page in a real browser: it asks nobody for anything, and nothing of it is wider than the window."""

import json
from dataclasses import replace

import pytest

from lifecycle.monitor.findings import Area, FindingTable
from lifecycle.monitor.page import write_page
from tests.lifecycle.monitor.page.in_chromium import HOST, opened, widths
from tests.lifecycle.monitor.page.sample_report import finding, sample_alerts, sample_report, series_of

pytestmark = pytest.mark.chromium
LONG = "a_column_whose_name_somebody_has_made_far_longer_than_anybody_would_" * 4


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> str:
    """The sample's page, to which a column with a very long name, value and unit has come."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "alerts.jsonl").write_text("".join(json.dumps(one) + "\n" for one in sample_alerts()))
    report = sample_report()
    first, *others = report.areas
    long = replace(
        first,
        findings=[
            *first.findings,
            finding(LONG, "shares", "page", sentence=LONG, next_step=LONG, evidence={LONG: LONG}, unit=LONG),
        ],
        series=[*first.series, series_of(LONG, LONG, 0.02, 5, LONG)],
    )
    wide = Area(name="labels", tables=[FindingTable(title=LONG, columns=[LONG] * 9, rows=[[LONG] * 9])])
    write_page(replace(report, areas=[long, *others, wide]), folder / "monitor.html", folder / "alerts.jsonl")
    return (folder / "monitor.html").read_text()


def test_no_request_leaves_the_page(written, tmp_path):
    assert opened(written, tmp_path).asked == [f"{HOST}/"]


def test_a_request_would_be_seen_and_the_page_forbids_it(written, tmp_path):
    image = '<img src="http://elsewhere.test/a.png">'
    asked = opened(f"<body>{image}</body>", tmp_path / "without").asked  # and an icon, if it gets that far
    assert asked[0] == f"{HOST}/" and "http://elsewhere.test/a.png" in asked
    assert opened(written.replace("<main>", f"<main>{image}"), tmp_path / "with").asked == [f"{HOST}/"]


@pytest.mark.parametrize("width", [400, 1280])
def test_nothing_is_wider_than_the_window_nor_cut_off(written, tmp_path, width):
    seen = widths(written, tmp_path, width)
    assert (seen.window, seen.document, seen.hidden) == (width, width, 0)
    assert seen.right <= width and seen.elements > 1000


def test_a_page_that_is_too_wide_or_cuts_is_noticed(tmp_path):
    page = '<p style="width: 900px">wide</p><div style="width: 90px; overflow: auto"><p style="width: 95px">cut</p></div>'
    seen = widths(page, tmp_path, 400)
    assert seen.window == 400 and seen.document > 900 and seen.right > 900 and seen.hidden == 1
