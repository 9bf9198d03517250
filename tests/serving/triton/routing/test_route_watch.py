"""Which table is in force as the route's file, its fuse and the clock change; releases are made up."""

import json
import threading
import time
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from contracts.clock import Clock
from contracts.serving.route import NO_ROUTE, Route, text_of
from tests.serving.triton.routing.routes import trial_route


class MadeRelease:
    """Counts what it is told, and computes until it may go on."""

    def __init__(self, version: int) -> None:
        self.version, self.counted, self.shown, self.events = version, Counter(), {}, []
        self.go_on = threading.Event()
        self.go_on.set()
        self.counters = SimpleNamespace(count=self._count, show=self._show)
        self.journal = SimpleNamespace(event=self.events.append)

    def compute(self, requests: list) -> None:
        self.go_on.wait(10)

    def _count(self, family: str, number: float = 1, **labels: str) -> None:
        self.counted[family, *labels.values()] += number

    def _show(self, gauge: str, value: float, **labels: str) -> None:
        self.shown[gauge, labels.get("route")] = value


class MadeOpener:
    def __init__(self, own: MadeRelease) -> None:
        self.open, self.refuses, self.opened = {own.version: own}, set[int](), Counter()

    def release(self, version: int, asks: bool = True) -> MadeRelease:
        if version in self.refuses:
            raise ValueError(f"release {version} cannot be opened: not yet")
        if version not in self.open:
            self.opened[version] += 1
            self.open[version] = MadeRelease(version)
        return self.open[version]

    def close(self, kept: set[int]) -> list[int]:
        closed = [version for version in self.open if version not in kept | {1}]
        for version in closed:
            del self.open[version]
        return closed

    def close_counters(self) -> None:
        pass


@pytest.fixture
def watching(inside_triton, tmp_path, monkeypatch):
    """A watch that looks when it is told to."""
    module = inside_triton("serving.triton.routing.watch")
    monkeypatch.setattr(module, "RETRY_S", 0.0)
    own = MadeRelease(1)

    class Watching:
        path, said, opener = tmp_path / "route", list[str](), MadeOpener(own)
        release = own

        def begin(self) -> Any:
            self.watch = module.RouteWatch(self.path, own, self.opener, Clock(), self.said.append)
            return self.table

        def write(self, route: Route | str) -> Any:
            made = self.path.with_name("new")
            made.write_text(route if isinstance(route, str) else text_of(route))
            made.rename(self.path)
            return self.look()

        def look(self) -> Any:
            self.watch.look()
            return self.table

        @property
        def table(self) -> Any:
            return self.watch.in_force.table

        def events(self) -> list[str]:
            return [event["event"] for event in own.events]

    found = Watching()
    found.module = module
    return found


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def test_without_a_route_the_own_release_answers(watching):
    table = watching.begin()
    assert (table.digest, table.champion.version, table.challenge, table.is_on(now_ms())) == (NO_ROUTE, 1, None, False)
    assert watching.look() is table and watching.said == []


def test_the_route_that_is_there_is_in_force_before_the_first_request(watching):
    route = trial_route()
    watching.path.write_text(text_of(route))
    table = watching.begin()
    assert (table.digest, table.challenge.release.version, table.is_on(now_ms())) == (route.digest, 2, True)
    assert watching.release.shown == {("adclick_challenger_open", None): 1, ("adclick_route_info", f"{route.digest:016x}"): 1}


def test_a_route_is_put_in_force_and_taken_back(watching):
    alone, route, off = watching.begin(), trial_route(), Route(champion=1)
    table = watching.write(route)
    assert table.digest == route.digest and watching.opener.opened == {2: 1}
    assert watching.look() is table
    assert watching.write(off).digest == off.digest and 2 not in watching.opener.open
    watching.path.unlink()
    assert watching.look().digest == NO_ROUTE == alone.digest
    assert watching.events() == ["opened", "closed"]
    assert watching.release.shown["adclick_route_info", f"{route.digest:016x}"] == 0


def test_a_broken_file_is_told_and_counted_once_and_the_one_before_stays(watching):
    watching.begin()
    table = watching.write(trial_route())
    for broken in ("", "format 1\n", "x" * 5000, text_of(trial_route()).replace("share 50", "share 500")):
        before = watching.release.counted["adclick_route_broken_total",]
        assert watching.write(broken) is table
        assert watching.look() is table and watching.look() is table
        assert watching.release.counted["adclick_route_broken_total",] == before + 1
    assert len(watching.said) == 4 and watching.events().count("broken_route") == 4
    assert all("the route cannot be put in force, the one before stays: " in said for said in watching.said)
    watching.path.write_bytes(b"\xff\xfe")
    assert watching.look() is table and len(watching.said) == 5
    other = trial_route(salt="00000002")
    assert watching.write(other).digest == other.digest


def test_a_release_that_cannot_be_opened_is_tried_again(watching):
    watching.begin()
    table, route = watching.write(Route(champion=1)), trial_route()
    watching.opener.refuses = {2}
    assert watching.write(route) is table and watching.look() is table
    assert watching.said == ["the route cannot be put in force, the one before stays: release 2 cannot be opened: not yet"]
    watching.opener.refuses = set()
    assert watching.look().digest == route.digest


def test_a_route_that_is_renewed_is_the_same_with_what_was_seen_of_its_challenger(watching):
    watching.begin()
    table = watching.write(trial_route(valid_s=-1))
    assert not table.is_on(now_ms()) and watching.release.shown["adclick_challenger_open", None] == 0
    renewed = watching.write(trial_route(valid_s=60))
    assert renewed.digest == table.digest and renewed.challenge is table.challenge and renewed.is_on(now_ms())
    assert watching.events() == ["opened", "renewed"]
    assert not watching.write(trial_route(valid_s=0)).is_on(now_ms())
    assert watching.events()[-1] == "lapsed"


def test_another_share_is_another_trial_of_the_same_open_release(watching):
    watching.begin()
    table = watching.write(trial_route(share=1))
    higher = watching.write(trial_route(share=5))
    assert higher.challenge is not table.challenge and higher.challenge.release is table.challenge.release
    assert watching.opener.opened == {2: 1}


def test_a_guard_puts_the_challenger_off_at_once_and_for_good(watching):
    watching.begin()
    route = trial_route()
    table = watching.write(route)
    trip = watching.module.Trip(reason="errors", evidence={"requests": 20})
    table.challenge.end(trip)
    table.challenge.end(trip)
    assert not table.is_on(now_ms())
    told = json.loads((watching.path.parent / "fuses" / f"{route.digest:016x}.json").read_text())
    assert (told["reason"], told["evidence"]) == ("errors", {"requests": 20})
    assert watching.release.counted["adclick_guard_trips_total", "errors"] == 1
    assert watching.events() == ["opened", "fuse"] and watching.look().challenge is None and 2 not in watching.opener.open
    assert watching.write(trial_route(valid_s=7200)).challenge is None
    assert watching.write(trial_route(salt="00000003")).challenge is not None
    assert watching.write(route).challenge is None


def test_a_fuse_that_another_process_wrote_is_followed_and_not_counted(watching):
    watching.begin()
    route = trial_route()
    watching.write(route)
    (watching.path.parent / "fuses").mkdir()
    (watching.path.parent / "fuses" / f"{route.digest:016x}.json").write_text("{}")
    assert watching.look().challenge is None
    assert "fuse" not in watching.events() and not any("guard_trips" in name for name, *_ in watching.release.counted)


def test_a_challenger_that_hangs_is_put_off_and_left_behind(watching, monkeypatch):
    monkeypatch.setattr(watching.module, "HANG_S", 0.05)
    watching.begin()
    route = trial_route(timeout_ms=10)
    challenge = watching.write(route).challenge
    challenge.release.go_on.clear()
    task = challenge.runner.begin([])
    assert watching.look().challenge is challenge
    time.sleep(0.1)
    assert watching.look().challenge is None and not task.is_done
    assert json.loads((watching.path.parent / "fuses" / f"{route.digest:016x}.json").read_text())["reason"] == "hang"
    watching.watch.close()
    assert watching.said[-1] == "release 2 still computes what it was asked; it is left behind"
    challenge.release.go_on.set()


def test_a_release_is_not_closed_while_somebody_uses_it(watching):
    watching.begin()
    watching.write(trial_route())
    in_force = watching.watch.in_force
    with in_force.used() as table:
        in_force.hold(table)
        watching.write(Route(champion=1))
        assert 2 in watching.opener.open and table.releases[1].version == 2
    watching.look()
    assert 2 in watching.opener.open
    in_force.give_back(table)
    watching.look()
    assert 2 not in watching.opener.open


def test_a_fuse_that_cannot_be_written_holds_in_this_process(watching):
    watching.begin()
    (watching.path.parent / "fuses").write_text("no folder")
    table = watching.write(trial_route())
    table.challenge.end(watching.module.Trip(reason="mean", evidence={}))
    assert "cannot be written, so it holds in this process alone" in watching.said[0]
    assert not table.is_on(now_ms()) and watching.look().challenge is None
    watching.write(Route(champion=1))
    assert watching.write(trial_route()).challenge is None
