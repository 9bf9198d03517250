"""The page of an A/B test says what was found and what it cannot see, and shows no figure before it may."""

import re
from dataclasses import replace

import pytest

from contracts.serving.fuse import Fuse
from lifecycle.ab.judged import judged, signed
from lifecycle.ab.page import AbPage, lines_of
from lifecycle.ab.page.write import rendered
from tests.lifecycle.ab.simulated_keys import FROM_NS, TEST, rows_of, settings, simulated
from tests.lifecycle.monitor.page.in_chromium import HOST, opened, widths

DAY_NS = 86_400 * 10**9


def page_of(lift: float = 0.5, days: int = 21, test=TEST, fuses=(), **said) -> AbPage:
    config = settings(**{name: said.pop(name) for name in ("value",) if name in said})
    rows = rows_of(simulated(5, lift=lift, days=days), **said)
    now_ns = FROM_NS + (days + 3) * DAY_NS
    return AbPage(test=test, rows=rows, judgement=judged(test, rows, config), config=config, fuses=fuses, now_ns=now_ns)


def test_it_says_which_release_does_better_with_its_interval_each_day():
    page = page_of()
    shown = rendered(page)
    difference = page.judgement.told[-1].difference
    assert '<b class="ok">The challenger does better: clicks a thousand page views ' in shown
    assert f"{signed(difference.low)} to {signed(difference.high)}" in shown
    assert shown.count("<figure") == 2 and shown.count('data-label="Until"') == len(page.judgement.told) == 8
    assert "2027-03-21" in shown and "ann" in shown and "is 13 worth it" in shown
    assert "8 points from 2027-03-14 23:59 to 2027-03-21 23:59" in shown


def test_it_names_what_it_cannot_see():
    shown = rendered(page_of())
    for word in ("Budgets:", "Frequency caps:", "Shared stock:", "Training:", "Novelty:", "several keys"):
        assert word in shown


def test_before_the_minimum_runtime_it_shows_no_figure():
    page = page_of(days=9)
    shown = rendered(page)
    assert "Too early to say anything: 9 of 14 days" in shown and "<figure" not in shown
    last = page.judgement.days[-1]
    assert f"{last.challenger.figure:.1f}" not in shown and f"{last.challenger.views:,}" in shown


def test_a_refused_comparison_shows_no_figure_and_says_why():
    page = page_of(entities=3000, in_both=30)
    shown = rendered(page)
    assert 'class="verdict page"' in shown and "30 of 3,000 users in both arms: 1.00%" in shown and "<figure" not in shown
    assert f"{page.judgement.days[-1].challenger.figure:.1f}" not in shown
    assert not any("in both arms" in line for line in lines_of(page))  # it is an error's sentence


def test_what_happened_beside_is_noted():
    fuse = Fuse(reason="p99", at_ns=FROM_NS + DAY_NS)
    page = page_of(test=replace(TEST, before=("canary 5 %",)), fuses=(fuse,), outside=1200, unkeyed=1)
    lines = lines_of(page)
    for said in (
        "the challenger is off since 2027-03-02 00:00, its fuse blew (p99)",
        "the same keys were divided before (canary 5 %)",
        "1,200 page views of this time in no arm",
        "1 page view left out",
    ):
        assert any(said in line for line in lines)
        assert said[1:] in rendered(page).replace("\u00a0%", " %")  # percent signs stay with their numbers
    assert lines[0].startswith(
        "13-9f86d081-50: release 13 beside 12, 50 % of the keys, since 2027-03-01 00:00, in force; 21 days"
    )


def test_it_needs_nothing_but_itself_and_texts_of_others_are_no_markup():
    shown = rendered(page_of(test=replace(TEST, who="<b>eve</b>", why="<script>alert(1)</script>")))
    assert not re.search(r"(src|href)=[\"'](?!#|data:)", shown) and "<script" not in shown and "&lt;b&gt;eve" in shown


def test_a_test_without_a_final_day_is_shown_too():
    rows = rows_of(simulated(1).clear(), entities=0)
    found = judged(TEST, rows, settings())
    shown = rendered(AbPage(test=TEST, rows=rows, judgement=found, config=settings(), fuses=(), now_ns=FROM_NS))
    assert (
        "Too early to say anything: no day has final labels yet." in shown and "No day of the test has final labels yet." in shown
    )


@pytest.mark.chromium
@pytest.mark.parametrize("width", [400, 1280])
def test_nothing_is_wider_than_the_window_and_nothing_is_asked_for(tmp_path, width):
    shown = rendered(page_of(test=replace(TEST, who="somebody_with_a_long_name_" * 9), outside=1200, value="floor_price"))
    seen = widths(shown, tmp_path, width)
    assert (seen.window, seen.document, seen.hidden) == (width, width, 0) and seen.right <= width
    assert opened(shown, tmp_path).asked == [f"{HOST}/"]
