"""The page of a rollout says what its guards found, and when and why it was on hold."""

from dataclasses import replace

import pytest

from lifecycle.rollout.control.files import Decision
from lifecycle.rollout.page.content import page_of
from lifecycle.rollout.page.guards import guards_of, holds_of
from lifecycle.rollout.page.write import rendered
from tests.lifecycle.monitor.page.in_chromium import HOST, opened, widths
from tests.lifecycle.rollout.page.sample_rollout import sample
from tests.lifecycle.rollout.statistics.simulated_pairs import DAY_NS, START_NS

LATE = "the feed of clicks is complete only until {} days ago: labels are late"


def on_hold(day: int, *reasons: str, **said) -> Decision:
    return Decision(at_ns=START_NS + day * DAY_NS, step=1, action="hold", reasons=reasons, **said)


def test_a_hold_lasts_from_its_first_look_until_one_that_waits_for_nothing():
    unmet = ("2.0 of 4 days of canary 5 %", "0 of 2,000 labelled rows of canary 5 %")
    step = Decision(at_ns=START_NS + 9 * DAY_NS, step=2, action="step", reasons=("step 2 of 5 is over",))
    found = holds_of(
        [on_hold(1, *unmet), on_hold(2, LATE.format("8.1"), *unmet), on_hold(3, LATE.format("9.1")), on_hold(5, *unmet), step]
    )
    assert [(one.from_ns - START_NS, one.until_ns - START_NS) for one in found] == [(2 * DAY_NS, 5 * DAY_NS)]
    assert found[0].reasons == (LATE.format("8.1"),)
    (open_one,) = holds_of([on_hold(2, LATE.format("8.1"))])
    assert open_one.until_ns is None


def test_what_the_evidence_says_is_no_hold():
    _, decisions = sample(noise=0.2)
    assert all(one.judgement is not None for one in decisions if one.action == "hold") and holds_of(decisions) == []
    waits = replace(
        decisions[-1], reasons=("6.0% of the labelled rows lack the other release's probability", *decisions[-1].reasons)
    )
    assert [one.reasons for one in holds_of([*decisions, waits])] == [
        ("6.0% of the labelled rows lack the other release's probability",)
    ]


def test_a_fuse_that_blew_is_named_with_its_evidence():
    remembered, decisions = sample(noise=0.2)
    assert next((one.state, one.is_ok) for one in guards_of(remembered, decisions)) == ("whole", True)
    back = Decision(at_ns=START_NS + 30 * DAY_NS, step=2, action="back", reasons=("the fuse blew: p99 (ms 70)",))
    found = guards_of(remembered, [*decisions, back])[0]
    assert (found.state, found.is_ok, found.detail) == ("the fuse blew", False, "p99 (ms 70)")
    assert "p99 (ms 70)" in rendered(remembered, [*decisions, back], START_NS)


def test_what_it_waits_for_now_is_said_until_it_has_ended():
    remembered, decisions = sample(noise=0.2)
    waiting = replace(remembered, waits=("labels",))
    assert guards_of(waiting, decisions)[2].state == "waits for labels"
    ended = replace(waiting, rollout=replace(waiting.rollout, outcome="aborted"))
    assert guards_of(ended, decisions)[2].state == "it came"


def test_only_the_view_that_decides_is_marked():
    series = page_of(*sample())["metrics"][0]
    marked = {view: [point.verdict for point in trend.points].count("page") for view, _, trend in series.views}
    assert marked == {"both": 1, "own": 0, "other": 0, "interaction": 0}


def test_a_step_ends_by_the_decision_and_not_by_a_look_of_the_same_moment():
    remembered, decisions = sample(noise=0.2)
    ends_ns = remembered.rollout.steps[1].until_ns
    look = Decision(at_ns=ends_ns, step=1, action="hold", reasons=("a look",))
    step = Decision(at_ns=ends_ns, step=2, action="step", reasons=("step 2 of 5 is over",))
    assert page_of(remembered, [decisions[0], look, step])["steps"][1]["why"] == "step 2 of 5 is over"


@pytest.mark.chromium
@pytest.mark.parametrize("width", [400, 1280])
def test_nothing_is_wider_than_the_window_and_nothing_is_asked_for(tmp_path, width):
    remembered, decisions = sample()
    long = on_hold(60, LATE.format("8.1") + " because_of_a_name_that_is_far_too_long_" * 9)
    page = rendered(remembered, [*decisions, long], START_NS)
    seen = widths(page, tmp_path, width)
    assert (seen.window, seen.document, seen.hidden) == (width, width, 0) and seen.right <= width
    assert opened(page, tmp_path).asked == [f"{HOST}/"]
