"""The area `labels` of the monitor: a feed that stopped pages, senders that disagree are a warning."""

import os
from pathlib import Path

import pytest

from lifecycle.feedback.labels import FeedState
from lifecycle.feedback.written import write_state
from lifecycle.monitor import __main__ as command
from lifecycle.monitor.feed import look
from lifecycle.monitor.findings import Context
from tests.lifecycle.feedback.feedback_world import DAY, HOUR, START, FeedbackWorld, complete, said, shown
from tests.project.imports import ROOT


@pytest.fixture
def world(tmp_path, monkeypatch):
    world = FeedbackWorld(tmp_path, monkeypatch)
    world.write_params()
    monkeypatch.chdir(tmp_path)
    return world


def looked(world, now_ns, feed=None):
    folder = world.folder
    return look(
        Context(
            declaration=world.around.declaration, config=None, journal=world.journal, feedback=folder / "feedback",
            store=folder, state=folder, now_ns=now_ns, feed=feed,
        )
    )  # fmt: skip


def finding(area, kind):
    return next(one for one in area.findings if one.kind == kind)


@pytest.mark.parametrize(("hours", "verdict"), [(95, "ok"), (97, "page")])
def test_a_feed_that_stopped_pages_after_so_many_hours_of_the_clock(world, hours, verdict):
    world.answer({"id": "a"})
    world.send(shown("a"), complete(START + DAY))
    world.run()
    late = finding(looked(world, START + DAY + hours * HOUR), "late")
    assert late.verdict == verdict and late.effect == hours * 3600
    assert ("nothing is turned into a 0" in late.sentence) == (verdict == "page")


def test_what_the_command_is_told_counts_instead_of_the_settings(world, monkeypatch):
    world.answer({"id": "a"})
    world.send(shown("a"), complete(START + DAY))
    world.run()
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(command, "declaration_of", lambda store: world.around.declaration)
    context = command.context_of(command.parse(["--folder", "j", "--set", "feedback.late_h=98", "--set", "feedback.folder=f"]))
    assert context.feed.late_h == 98 and context.feedback == Path("f")
    assert finding(looked(world, START + DAY + 97 * HOUR, context.feed), "late").verdict == "ok"
    assert finding(looked(world, START + DAY + 99 * HOUR, context.feed), "late").verdict == "page"


def test_a_feed_that_never_said_to_be_complete_is_late_too(world):
    world.answer({"id": "a"})
    world.send(shown("a"))
    world.run()
    assert finding(looked(world, world.now_ns + 10 * DAY), "late").verdict == "page"


def test_without_feedback_or_without_answers_nothing_is_late(world):
    assert looked(world, START).findings == () and "no feedback was ever taken in" in looked(world, START).notes[0]
    world.send(shown("a"), complete(START))
    world.run()
    assert [one.kind for one in looked(world, START + 90 * DAY).findings if one.verdict == "page"] == []


def test_senders_that_disagree_are_a_warning_once_there_is_enough_to_say_so(world):
    world.answer({"id": "a"})
    world.send(said("a", 0), said("a", 1))
    state = world.run()
    assert finding(looked(world, START), "contradicting").verdict == "watch"
    assert state.contradicting == 1
    many = FeedState(at_ns=START, first_received_ns=START, watermark_ns=START, received=2000, matched=1970, contradicting=30)
    write_state(Path(world.folder / "feedback"), many)
    area = looked(world, START)
    assert (finding(area, "contradicting").verdict, finding(area, "rejected").verdict) == ("warning", "ok")
    assert finding(area, "contradicting").effect == 0.015


def test_lag_and_clicks_are_series_by_day(world):
    world.answer({"id": "a"}, {"id": "b"})
    world.send(said("a", 1), shown("b"), complete(START + 5 * DAY))
    world.run()
    trends = {trend.kind: trend for trend in looked(world, world.now_ns).series}
    [clicked] = trends["clicked"].points
    [lag] = trends["lag"].points
    assert clicked.value == 0.5 and abs(lag.value - 30 * 24) < 1 and lag.at_ns % DAY == 0
    assert os.path.exists("params.yaml")
