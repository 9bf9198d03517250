"""What was in force when: a file that changes, a fuse that blows, a route that lapses, a challenger that is not open."""

import json
import threading
import time
from pathlib import Path

import pytest

from contracts.files import write_whole
from contracts.serving.route import NAME, Route, text_of
from loadtests.routes.in_force import Experiment
from loadtests.routes.watch import CLOSED, FUSE, LAPSED, WatchedRoute, gained
from tests.loadtests.observation.metrics_page import metrics_page
from tests.loadtests.routes.route_page import page_of
from tests.serving.routing.routed_world import a_route
from tests.serving.served_world import wait_for

FIRST, SECOND = a_route(share=50, minutes=24 * 60), a_route(share=5, minutes=24 * 60)  # longer than all tests take


@pytest.fixture
def page():
    with metrics_page() as found:
        yield found


@pytest.fixture
def file(tmp_path) -> Path:
    return tmp_path / NAME


def put(file: Path, route: Route) -> None:
    write_whole(file, text_of(route).encode())


def watch_of(page, file: Path | None, route: Route | None = FIRST) -> WatchedRoute:
    page.text = page.text or page_of(FIRST, is_open=True)
    return WatchedRoute(
        experiment=Experiment(champion=1, challenger=2, route=route, is_open=True), file=file, metrics_url=page.url
    )


def in_turn(watch: WatchedRoute) -> list[tuple[int, int | None, str]]:
    return [(0 if one.route is None else one.route.digest, one.challenger, one.off) for one in watch.stretches]


def until(watch: WatchedRoute, stretches: int) -> None:
    wait_for(lambda: len(watch.stretches) == stretches, 10, "a stretch more")


def test_a_change_begins_a_stretch_and_a_renewal_does_not(page, file):
    put(file, FIRST)
    with watch_of(page, file) as watch:
        put(file, a_route(share=50, minutes=25 * 60))
        time.sleep(0.3)
        put(file, SECOND)
        until(watch, 2)
        page.text = page_of(SECOND, is_open=True)
        file.write_text("broken")
        time.sleep(0.3)
        put(file, Route(champion=2))
        page.text = page_of(Route(champion=2), is_open=False)
        until(watch, 3)
    assert in_turn(watch) == [(FIRST.digest, 2, ""), (SECOND.digest, 2, ""), (Route(champion=2).digest, None, "")]
    assert [one.champion for one in watch.stretches] == [1, 1, 2]
    ends = [(one.start_s, one.end_s) for one in watch.stretches]
    assert all(start <= end for start, end in ends) and [end for _, end in ends[:-1]] == [start for start, _ in ends[1:]]


def test_a_fuse_says_why_also_one_that_cannot_be_read(page, file):
    put(file, FIRST)
    with watch_of(page, file) as watch:
        fuse = file.parent / "fuses" / f"{FIRST.digest:016x}.json"
        fuse.parent.mkdir()
        write_whole(fuse, json.dumps({"route": "", "reason": "p99", "at": 1, "evidence": {}}).encode())
        until(watch, 2)
        fuse.write_text("torn")
        until(watch, 3)
    assert [one.off for one in watch.stretches] == ["", f"{FUSE} (p99)", f"{FUSE} (unreadable)"]


def test_a_route_whose_fuse_blew_between_two_looks_may_have_taken_part(page, file):
    """The looks are a tenth of a second apart, on a busy machine more: what happened between them is not known."""
    put(file, FIRST)
    with watch_of(page, file) as watch:
        watch._look()
        fuse = file.parent / "fuses" / f"{SECOND.digest:016x}.json"
        fuse.parent.mkdir()
        fuse.write_text("{")  # before its route is in the file, so that no look sees the one without the other
        put(file, SECOND)
        until(watch, 3)
    first, between, off = watch.stretches
    assert (between.route, between.off, bool(off.off)) == (off.route, "", True) and off.route != first.route
    assert first.start_s <= between.start_s <= between.end_s == off.start_s


def test_a_route_that_lapses_is_off(page, file):
    put(file, a_route(share=50, minutes=0.01))
    with watch_of(page, file) as watch:
        until(watch, 2)
    assert in_turn(watch) == [(FIRST.digest, 2, ""), (FIRST.digest, 2, LAPSED)]


def test_a_challenger_that_is_not_open_is_off(page, file):
    put(file, FIRST)
    with watch_of(page, file) as watch:
        page.text = page_of(FIRST, is_open=False)
        until(watch, 2)
        page.status = 500  # nothing is known anew
        time.sleep(0.7)
    assert in_turn(watch) == [(FIRST.digest, 2, ""), (FIRST.digest, 2, CLOSED)]


def test_the_metrics_alone_say_who_the_arms_are(page):
    with watch_of(page, None, route=None) as watch:
        page.text = page_of(SECOND, is_open=False)
        until(watch, 2)
    assert in_turn(watch) == [(0, 2, ""), (0, 2, CLOSED)] and watch.lag_s is None


def test_what_was_counted_meanwhile_is_known_when_all_is_over(page, file):
    put(file, FIRST)
    page.text = page_of(FIRST, is_open=True, timeout=7, error=1)
    with watch_of(page, file) as watch:
        page.text = page_of(FIRST, is_open=True, timeout=9, error=1, full=4)
    assert watch.counted["adclick_fallback_total"] == {"timeout": 2, "error": 0, "full": 4}
    assert watch.counted["adclick_shadow_total"] == {}
    watch.finish()  # again
    assert len(watch.stretches) == 1


def test_counters_of_several_releases_add_up_and_one_that_fell_began_anew():
    before = {"model=ctr,reason=timeout,version=1": 5.0, "model=ctr,reason=error,version=1": 9.0}
    after = {
        "model=ctr,reason=timeout,version=1": 6.0,
        "model=ctr,reason=timeout,version=2": 3.0,
        "model=ctr,reason=error,version=1": 2.0,
    }
    assert gained(before, after) == {"timeout": 4, "error": 2}
    assert gained({}, {"model=ctr,version=1": 3.0}) == {"": 3}


def test_how_long_the_server_takes_to_follow_is_measured(page, file):
    put(file, FIRST)
    with watch_of(page, file) as watch:
        put(file, SECOND)
        threading.Timer(1.0, lambda: setattr(page, "text", page_of(SECOND, is_open=True))).start()
        time.sleep(2.0)
    assert 0.8 < watch.lag_s < 2.5
    never = watch_of(page, file, route=SECOND)
    with never:
        put(file, FIRST)
        time.sleep(1.2)
    assert never.lag_s > 1.0
