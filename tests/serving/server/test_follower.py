"""`make serve` follows the route: what it names is loaded, what it does not is let go, and changes are said."""

import time
from dataclasses import replace
from itertools import pairwise

import pytest

from contracts.files import write_whole
from contracts.serving.fuse import shown
from contracts.serving.route import Route
from serving.releases.routing import blow_fuse, write_route
from serving.releases.store import Store
from serving.server.loading import loading_alone
from serving.server.server import open_by_route, route_variables
from serving.server.watch import follower as following
from serving.server.watch.challenger import blame_challenger
from serving.server.watch.follower import Follower
from tests.serving.served_world import wait_for
from tests.serving.small_store import FakeAdmin, add_release, canary, opened_versions, small_store

REFUSED = "model 'ctr_careful' was not loaded: out of memory"


@pytest.fixture
def store(tmp_path) -> Store:
    made = small_store(tmp_path, releases=3)
    made.replace_route(None, Route(champion=1))
    return made


@pytest.fixture
def admin(store) -> FakeAdmin:
    return FakeAdmin(store)


@pytest.fixture
def follow(store, admin, monkeypatch):
    """Follows until the test ends, looking often."""
    monkeypatch.setattr(following, "LOOK_S", 0.01)
    with Follower(store, admin) as running:
        time.sleep(0.05)
        yield running


def lines(capsys, number: int) -> list[str]:
    """What was printed, once it is so many lines, and a moment later."""
    found: list[str] = []

    def more() -> bool:
        found.extend(capsys.readouterr().out.splitlines())
        return len(found) >= number

    wait_for(more, 10, f"{number} lines")
    time.sleep(0.2)
    more()
    return found


def test_a_challengers_models_are_loaded_beside_the_champions(store, admin, follow):
    assert admin.asked == []
    store.replace_route(store.route(), canary(1, 2))
    wait_for(lambda: admin.open["ctr_careful"] == [1, 2], 5, "the challenger's model is open")
    time.sleep(0.1)
    assert admin.asked == ["load ctr_careful"] and admin.open["ctr"] == [1]


def test_a_change_is_a_line_and_a_renewal_none(store, follow, capsys):
    route = canary(1, 2, valid_until_ms=9_764_460_800_000)
    store.replace_route(store.route(), route)
    said = "serve: route: champion 1, challenger 2, canary 5 %, shadow 10 %, valid until 2279-06-04 14:13:20 UTC"
    assert lines(capsys, 1) == [f"{said} ({shown(route.digest)})"]
    store.replace_route(route, canary(1, 2))
    assert lines(capsys, 0) == []
    blow_fuse(store.folder, route, "p99", {"p99_ms": 73})
    assert lines(capsys, 1) == ["serve: the challenger is off for good, its fuse says p99; `make route` shows the evidence"]
    store.replace_route(route, Route(champion=1))
    assert lines(capsys, 1) == [f"serve: route: champion 1, no challenger ({shown(Route(champion=1).digest)})"]


def test_a_deployment_has_its_own_line_and_a_broken_route_one(store, follow, capsys):
    write_route(store.folder, Route(champion=2))
    assert lines(capsys, 0) == []
    write_whole(store.folder / "route", b"format 1\n")
    (line,) = lines(capsys, 1)
    assert line.startswith("serve: the route is broken, the one before stays in force: ") and "models/route: line 2" in line
    assert "`make route SET=off` writes it anew" in line
    time.sleep(0.1)
    assert lines(capsys, 0) == []


def test_what_a_deployment_that_died_has_not_done_is_done(store, admin, follow):
    store.configure(replace(store.opened(), champion=2, before=1), doors=False)
    write_route(store.folder, Route(champion=2))
    wait_for(lambda: admin.open["ctr"] == admin.open["ctr_by_name"] == [2], 5, "the doors follow the route")
    assert admin.open["ctr_careful"] == [1, 2] and store.configured() == 2 and store.before() == 1


def test_nothing_is_loaded_while_a_deployment_loads(store, admin, follow):
    with loading_alone(store, 5):
        write_route(store.folder, Route(champion=2))
        time.sleep(0.2)
        assert admin.asked == [] and store.configured() == 1
    wait_for(lambda: admin.open["ctr"] == [2], 5, "then it is")


def test_a_challenger_that_does_not_load_is_said_once_and_tried_again_slowly(store, admin, follow, capsys, monkeypatch):
    monkeypatch.setattr(following, "RETRY_S", 0.3)
    refused, load = [], admin.load

    def refusing(name: str) -> None:
        if 2 in opened_versions(store)[name]:
            refused.append(time.monotonic())
            raise ValueError(REFUSED)
        load(name)

    admin.load = refusing
    store.replace_route(store.route(), canary(1, 2))
    wait_for(lambda: len(refused) == 3, 5, "it is tried again")
    assert all(after - before >= 0.3 for before, after in pairwise(refused))
    (err,) = capsys.readouterr().err.splitlines()
    assert err == f"serve: what the route needs is not open, trying again every 0.3 s: {REFUSED}"
    assert admin.open == {"ctr": [1], "ctr_by_name": [1], "ctr_careful": [1]}  # loaded anew, so that the server is ready
    admin.load = load
    wait_for(lambda: admin.open["ctr_careful"] == [1, 2], 5, "it is open")


def test_what_was_a_challengers_goes_after_a_while(store, admin, follow, monkeypatch):
    monkeypatch.setattr(following, "CHECK_S", 0.2)
    add_release(store, 4, models=("ctr", "ctr_by_name", "ctr_careful", "ctr_graph_4"))
    store.replace_route(store.route(), canary(1, 4))
    wait_for(lambda: admin.open["ctr_careful"] == [1, 4] and admin.open.get("ctr_graph_4") == [4], 5, "all is open")
    time.sleep(0.5)
    assert "ctr_graph_4" in admin.open
    store.replace_route(store.route(), Route(champion=1))
    left = {"ctr": [1], "ctr_by_name": [1], "ctr_careful": [1]}
    wait_for(lambda: admin.open == left, 5, "what was the challenger's to be gone")


def test_a_release_that_is_not_there_does_no_harm(store, admin, follow, capsys):
    write_route(store.folder, canary(1, 9))
    assert lines(capsys, 1)[0].startswith("serve: route: champion 1, challenger 9, canary 5 %")
    assert admin.asked == [] and open_by_route(store) == ["ctr_careful", "ctr", "ctr_by_name"]


def test_a_server_starts_with_both_arms_and_after_a_fuse_with_the_champion(store):
    store.replace_route(store.route(), canary(1, 3))
    assert open_by_route(store) == ["ctr_careful", "ctr", "ctr_by_name"]
    assert opened_versions(store) == {"ctr": [1], "ctr_by_name": [1], "ctr_careful": [1, 3]}
    blow_fuse(store.folder, store.route(), "crash", {})
    open_by_route(store)
    assert opened_versions(store)["ctr_careful"] == [1]


def test_a_champion_that_is_not_there_is_said(store):
    write_route(store.folder, Route(champion=9))
    with pytest.raises(ValueError, match=r"models has no version 9; it has \[1, 2, 3\]"):
        open_by_route(store)


def test_the_server_is_told_where_the_route_is_and_what_time_it_is(store, monkeypatch):
    monkeypatch.delenv("ADCLICK_CLOCK", raising=False)
    assert route_variables(store.folder) == {"ADCLICK_ROUTE": str(store.folder / "route")}
    monkeypatch.setenv("ADCLICK_CLOCK", "1 2 3")
    assert route_variables(store.folder)["ADCLICK_CLOCK"] == "1 2 3"


def test_a_crash_is_the_challengers_fault(store):
    assert blame_challenger(store, {"exit_code": -11}) is None
    store.replace_route(store.route(), canary(1, 2))
    line = blame_challenger(store, {"exit_code": -11, "seconds_open": 3.5})
    assert line == f"challenger 2 is off for good (fuse of route {shown(store.route().digest)}, reason crash)"
    assert store.arms() == [1]
    assert blame_challenger(store, {"exit_code": -11}) is None  # once
    (store.folder / "route").write_text("broken")
    assert blame_challenger(store, {}) is None


def test_a_fuse_that_cannot_be_written_is_said(store):
    store.replace_route(store.route(), canary(1, 2))
    (store.folder / "fuses").write_text("a file in the way")
    line = blame_challenger(store, {})
    assert line == "the fuse of challenger 2 could not be written (File exists), so it stays open"
