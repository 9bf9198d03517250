"""From step to step, to the champion's place or back: what a look decides, and what follows from it."""

import pytest

from contracts.serving.fuse import shown
from contracts.serving.release_log import read
from contracts.serving.route import Route
from lifecycle.rollout.control.begin import begin
from lifecycle.rollout.control.control import LookEvidence, Wait
from lifecycle.rollout.control.files import read_rollout
from lifecycle.rollout.control.look import look_once
from serving.releases.routing import blow_fuse
from tests.lifecycle.rollout.control.controlled_world import BEGUN_NS, DAY_NS, actions, at_day, decisions, judged, mismatch, tell

ENOUGH = LookEvidence(labelled=100, judgements=(judged("hold"),))


def at_step(control, number: int) -> float:
    """Begin, and go on until the step has begun; the day."""
    begin(control, 2)
    days = [0.0, 1.01, 3.02]
    tell(LookEvidence(labelled=100))
    for day in days[1 : number + 1]:
        at_day(day)
        look_once(control)
    assert read_rollout(control.root).steps[-1].number == number
    return days[number]


def test_a_rollout_goes_through_its_steps_and_is_promoted(control, store, promoted):
    begun = begin(control, 2)
    salt, until = begun.salt, []
    assert (begun.champion, begun.challenger, begun.status, begun.name) == (1, 2, "running", f"2027-03-01-2-{begun.salt[:4]}")
    for day, mode, share_ppm in [(0, "shadow", 0), (1.01, "canary", 50_000), (3.02, "canary", 500_000)]:
        at_day(day)
        tell(LookEvidence(labelled=100))
        look_once(control)
        route = store.route()
        assert (route.mode, route.trial.share_ppm, route.trial.salt, route.champion) == (mode, share_ppm, salt, 1)
        assert read_rollout(control.root).steps[-1].digest == shown(route.digest)
        until.append(route.trial.valid_until_ms)
    assert until[1] - until[0] == pytest.approx(1.01 * DAY_NS / 1e6, abs=60_000)
    at_day(5.03)
    tell(LookEvidence(labelled=100, judgements=(judged("promote"),)))
    look_once(control)
    ended = read_rollout(control.root)
    assert (ended.status, ended.outcome, ended.who, ended.why) == ("ended", "promoted", "controller", "promote because")
    assert store.route() == Route(champion=2) and promoted == [None]
    assert actions(control) == ["begin", "step", "step", "promote"]
    spans = [((step.from_ns - BEGUN_NS) / DAY_NS, (step.until_ns - BEGUN_NS) / DAY_NS) for step in ended.steps]
    assert [number for span in spans for number in span] == pytest.approx([0, 1.01, 1.01, 3.02, 3.02, 5.03], abs=1e-3)
    kept = [line["evidence"]["rollout"] for line in read(store.folder)[0] if line["event"] == "release"]
    assert kept == [{"name": begun.name, "verdict": "promote", "passes": True, "reasons": ["promote because"]}]


@pytest.mark.parametrize(
    ("day", "seen", "reasons"),
    [
        (1.51, LookEvidence(labelled=100), ["0.5 of 2 days of canary 5 %"]),
        (3.1, LookEvidence(labelled=99), ["99 of 100 labelled rows of canary 5 %"]),
        (3.1, LookEvidence(labelled=100, waits=(Wait(kind="labels", sentence="labels are late"),)), ["labels are late"]),
    ],
)
def test_a_step_goes_on_until_it_has_all_that_it_needs(control, store, day, seen, reasons):
    at_step(control, 1)
    at_day(day)
    tell(LookEvidence(**vars(seen) | {"judgements": (judged("hold", day=day - 0.5),)}))
    look_once(control)
    assert store.route().trial.share_ppm == 50_000
    last = decisions(control)[-1]
    assert last.action == "hold" and set(reasons) <= set(last.reasons)


def test_a_verdict_to_promote_waits_for_the_last_step_and_its_days(control, store, promoted):
    at_step(control, 1)
    for day, share_ppm in [(2, 50_000), (3.1, 500_000), (4, 500_000)]:
        at_day(day)
        tell(LookEvidence(labelled=100, judgements=(judged("promote", day=day - 0.5),)))
        look_once(control)
        assert store.route().trial.share_ppm == share_ppm
    assert promoted == []


@pytest.mark.parametrize("step", [0, 1, 2])
@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (LookEvidence(judgements=(judged("back"),)), "back because"),
        (
            LookEvidence(judgements=(judged("hold", ratios=(mismatch(),)),)),
            "step 2: 1,000 of 10,000 users are the challenger's, the route gives it 5.00% (e-value 12,345)",
        ),
        (LookEvidence(judgements=(judged("promote", ratios=(mismatch(),)),), labelled=100), "step 2: 1,000 of 10,000 users"),
    ],
)
def test_whatever_is_against_it_sends_it_back_at_any_step(control, store, promoted, step, seen, reason):
    at_step(control, step)
    tell(seen)
    look_once(control)
    ended = read_rollout(control.root)
    assert (ended.outcome, ended.steps[-1].until_ns) == ("back", ended.ended_ns) and ended.why.startswith(reason)
    assert store.route() == Route(champion=1) and promoted == []
    assert look_once(control) == [] and actions(control)[-1] == "back"


def test_a_blown_fuse_sends_it_back_before_anything_is_judged(control, store):
    at_step(control, 1)
    blow_fuse(store.folder, store.route(), "p99", {"p99_ms": 73})
    tell(LookEvidence(judgements=(judged("promote"),)))
    look_once(control)
    assert read_rollout(control.root).why == "the fuse blew: p99 (p99_ms 73)" and store.route() == Route(champion=1)


def test_the_fuse_of_a_step_that_has_just_ended_counts(control, store):
    at_step(control, 1)
    before = store.route()
    at_day(3.1)
    look_once(control)
    assert store.route().trial.share_ppm == 500_000
    blow_fuse(store.folder, before, "mean", {})
    look_once(control)
    assert read_rollout(control.root).why == "the fuse blew: mean" and store.route() == Route(champion=1)


def test_what_is_not_shown_in_time_goes_back(control, store):
    day = at_step(control, 2)
    at_day(day + 60)
    tell(LookEvidence(labelled=100, judgements=(judged("hold"),)))
    look_once(control)
    assert read_rollout(control.root).why == "after 56 days it is not shown to be not worse: the champion stays"
    assert store.route() == Route(champion=1)


def test_at_the_end_of_its_time_a_verdict_that_is_there_counts(control, store, promoted):
    at_day(at_step(control, 2) + 60)
    tell(LookEvidence(labelled=100, judgements=(judged("promote"),)))
    look_once(control)
    assert read_rollout(control.root).outcome == "promoted" and promoted == [None]


def test_each_day_of_evidence_is_a_line_and_looks_without_news_are_none(control):
    at_step(control, 2)
    before = len(decisions(control))
    days = tuple(judged("hold", day=day, rows=100 * day) for day in (1, 2, 3))
    tell(LookEvidence(labelled=50, judgements=days[:2]))
    assert [one.judgement for one in look_once(control)] == [*days[:2]]
    assert look_once(control) == []
    tell(LookEvidence(labelled=50, judgements=days))
    assert [(one.action, one.judgement) for one in look_once(control)] == [("hold", days[2])]
    assert len(decisions(control)) == before + 3


def test_a_hold_that_lasts_is_told_as_an_alert_once_and_its_end_too(control, project):
    at_step(control, 1)
    tell(LookEvidence(waits=(Wait(kind="traffic", sentence="nobody asks"),)))
    for day in (2, 8.9, 9.1, 12):
        at_day(day)
        look_once(control)
        assert (project / "monitor/alerts.jsonl").exists() == (day > 9)
    tell(LookEvidence())
    at_day(13)
    look_once(control)
    look_once(control)
    lines = (project / "monitor/alerts.jsonl").read_text().splitlines()
    assert len(lines) == 2 and '"event": "began"' in lines[0] and '"event": "resolved"' in lines[1]
    assert "the rollout of release 2 is on hold for 7.1 days: nobody asks" in lines[0]
    assert actions(control)[-2:] == ["hold", "hold"]
