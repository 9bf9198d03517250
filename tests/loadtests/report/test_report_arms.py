"""What the page and the terminal say of two arms; without a challenger the page has no such chapter."""

import re

import numpy as np
import pytest

from loadtests.report.arms import arm_lines, listed
from loadtests.report.page import write_report
from tests.loadtests.sampled import samples, write_run

FACTS = {
    "champion": 12,
    "challenger": 13,
    "answers": [
        {"version": 11, "number": 10, "p50_ms": [1.0, 0.9, 1.1], "p99_ms": [None] * 3},
        {"version": 12, "number": 7490, "p50_ms": [1.25, 1.2, 1.3], "p99_ms": [12.5, 11.0, 14.0]},
        {"version": 13, "number": 2500, "p50_ms": [2.5, 2.4, 2.6], "p99_ms": [20.0, 19.0, 22.0]},
    ],
    "instead": 3,
    "wrong": 0,
    "shares": [
        {
            "route": "00ab00ab00ab00ab",
            "expected": 0.25,
            "found": 0.2503,
            "interval": [0.24, 0.26],
            "answers": 10000,
            "keys": 6300,
        }
    ],
    "fallbacks": {"timeout": 3, "error": 0},
    "shadows": {"done": 1200, "dropped_by_key": 7, "failed": 0},
    "off": [{"from_s": 3.5, "to_s": 20.0, "why": "its fuse has blown (p99)"}],
}
SENTENCES = [
    "of 10,000 answers to 6,300 keys the challenger's were 25 % (24 % to 26 %); route 00ab00ab00ab00ab says 25 %",
    "3 keys' answers were the champion's instead of the challenger's; fallbacks counted by the server: 3 timeout",
    "shadow work: 1,200 done, 7 dropped by key",
    "the challenger was off from 3.5 s to 20 s: its fuse has blown (p99)",
]


@pytest.fixture
def found():
    return samples(1000, due=np.arange(1000) / 100)


def page_of(folder) -> str:
    write_report(folder, folder / "load.html")
    return (folder / "load.html").read_text()


def test_the_terminal_says_who_answered_how_fast():
    assert arm_lines(FACTS) == [
        "another release 11: 10 answers (0.10 %), p50 1.00 ms [0.900, 1.10], p99 –",
        "champion 12: 7,490 answers (75 %), p50 1.25 ms [1.20, 1.30], p99 12.5 ms [11.0, 14.0]",
        "challenger 13: 2,500 answers (25 %), p50 2.50 ms [2.40, 2.60], p99 20.0 ms [19.0, 22.0]",
        *SENTENCES,
    ]
    assert listed({}) == listed({"timeout": 0}) == "none"


def test_the_page_has_a_chapter_of_two_arms(tmp_path, found):
    page = page_of(write_run(tmp_path, found, 10.0, arms=FACTS))
    assert '<a href="#arms">Two arms</a>' in page and '<h2 id="arms">Two arms</h2>' in page
    cells = [re.findall(r"<td[^>]*>(.*?)</td>", line) for line in page.splitlines() if "challenger 13" in line]
    assert cells == [["challenger 13", "2,500", "25 %", "2.50 ms [2.40, 2.60]", "20.0 ms [19.0, 22.0]"]]
    assert all(sentence.replace("'", "&#39;") in page for sentence in SENTENCES)


def test_a_run_without_a_challenger_has_none(tmp_path, found):
    page = page_of(write_run(tmp_path, found, 10.0))
    assert "arms" not in page.partition("<style>")[0] + page.partition("</style>")[2]


def test_a_missed_check_of_the_arms_breaks_the_verdict(tmp_path, found):
    check = {"name": "off_route_share", "measured": 0.1, "low": None, "high": None, "limit": 0.02, "at_least": False}
    page = page_of(write_run(tmp_path, found, 10.0, arms=FACTS, thresholds=[check | {"met": False, "reason": "r"}]))
    assert "Thresholds that were broken, 1 of 1: off route share." in page
    assert '<td>off route share</td><td class="number">10 %</td>' in page and "at most 2.0 %" in page


def test_a_run_of_an_arm_that_nobody_asked_is_shown(tmp_path, found):
    page = page_of(write_run(tmp_path, found, 10.0, arms=FACTS | {"answers": [], "shares": [], "off": []}))
    assert "Two arms" in page and "says 25 %" not in page
