"""A run beside the run before it, by hand."""

import pytest

from loadtests.observation import facts
from loadtests.report.before import compare_with_before, verdict
from loadtests.report.page import write_report
from loadtests.report.run import read_run
from tests.loadtests.sampled import samples, write_run


def timed(value, spread=1.0):
    return {"value": value, "low": value - spread, "high": value + spread}


FIGURES = {"p99_ms": timed(30.0), "rows_per_s": {"value": 900.0, "low": None, "high": None}}


def revision(commit):
    return {"commit": commit, "uncommitted_changes": False}


def run(folder, name, figures=FIGURES, **values):
    known = {"settings": {"rate": 300, "host": "secret-host"}, "machine": facts.machine(), "revision": revision("a")} | values
    return write_run(folder / name, samples(5), 5.0, figures=figures, **known)


def compared(folder):
    return compare_with_before(read_run(folder), folder)


def test_the_last_finished_run_before_is_the_one_that_counts(tmp_path):
    run(tmp_path, "20260101-000000")
    run(tmp_path, "20260102-000000", figures={"p99_ms": timed(20.0), "rows_per_s": {"value": 1000.0, "low": None, "high": None}})
    run(tmp_path, "20260103-000000", completed=False)
    (tmp_path / "20260103-120000").mkdir()
    now = run(tmp_path, "20260104-000000")
    run(tmp_path, "20260105-000000")
    found = compared(now)
    assert found.folder == "20260102-000000" and found.differences == []
    assert found.rows == [
        {"name": "p99", "before": "20.0 ms", "now": "30.0 ms", "change": "+50.0%", "verdict": "worse"},
        {"name": "rows a second", "before": "1,000", "now": "900", "change": "-10.0%", "verdict": ""},
    ]


def test_without_a_run_before_there_is_no_comparison(tmp_path):
    assert compared(run(tmp_path, "20260101-000000")) is None
    assert compared(run(tmp_path, "20260102-000000", shape="steps")) is None


def test_what_was_not_the_same_is_named_and_the_host_is_not(tmp_path):
    run(tmp_path, "20260101-000000", model_versions={"1": 5})
    changed = {"settings": {"rate": 500, "host": "other"}, "revision": revision("b"), "model_versions": {"2": 5}}
    found = compared(run(tmp_path, "20260102-000000", **changed))
    assert found.differences == ["rate was 300, is 500", "commit was a, is b", "model version was 1, is 2"]


@pytest.mark.parametrize(
    ("name", "before", "now", "expected"),
    [
        ("p99_ms", timed(10), timed(11.9), "within the intervals"),
        ("p99_ms", timed(10), timed(12.1), "worse"),
        ("p99_ms", timed(10), timed(7.9), "better"),
        ("rows_per_s", timed(10), timed(7.9), "worse"),
        ("rows_per_s", timed(10), timed(12.1), "better"),
        ("error_share", {"value": 0.0, "low": None, "high": None}, {"value": 0.0, "low": None, "high": None}, "same"),
    ],
)
def test_better_and_worse_need_intervals_that_lie_apart(name, before, now, expected):
    assert verdict(name, before, now) == expected


def test_the_page_shows_the_comparison(tmp_path):
    run(tmp_path, "20260101-000000", figures={"p99_ms": timed(20.0)})
    now = run(tmp_path, "20260102-000000")
    write_report(now, now / "report.html", tmp_path / "load.html")
    page = (now / "report.html").read_text()
    assert "20260101-000000" in page and ">worse<" in page and page == (tmp_path / "load.html").read_text()
