"""A deployment writes the route between loading what `ctr` calls and loading `ctr`; killed anywhere, it leaves one truth."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from contracts.serving.route import Route
from serving.server import switch as switching
from serving.server.loading import Busy, loading_alone
from serving.server.server import open_by_route
from serving.server.switch import switch
from tests.serving.small_store import FakeAdmin, add_release, canary, opened_versions, small_store

KILLED = """
import sys
from pathlib import Path
from contracts.serving.route import Route
from serving.releases.store import Store
from serving.server.switch import switch
from tests.serving.small_store import FakeAdmin
store = Store(Path(sys.argv[1]))
switch(store, FakeAdmin(store, die_after=int(sys.argv[2])), 2)
"""
SERVED = {1: {"ctr": [1], "ctr_by_name": [1], "ctr_careful": [1]}, 2: {"ctr": [2], "ctr_by_name": [2], "ctr_careful": [1, 2]}}


@pytest.fixture
def store(tmp_path):
    return small_store(tmp_path, releases=3)


@pytest.fixture
def admin(store):
    return FakeAdmin(store)


def test_what_ctr_calls_comes_first_then_the_route_then_ctr(store, admin, monkeypatch):
    store.replace_route(None, Route(champion=1))
    seen, load = [], admin.load
    monkeypatch.setattr(admin, "load", lambda name: (seen.append((name, store.route().champion, admin.open["ctr"])), load(name)))
    switch(store, admin, 2)
    assert seen == [("ctr_careful", 1, [1]), ("ctr", 2, [1]), ("ctr_by_name", 2, [2])]
    assert store.route() == Route(champion=2) and admin.open == SERVED[2] and store.before() == 1


def test_without_a_route_a_deployment_writes_the_first(store, admin):
    switch(store, admin, 2)
    assert store.route() == Route(champion=2) and admin.open == SERVED[2]
    switch(store, admin, 1)
    assert store.route() == Route(champion=1) and store.before() == 2


@pytest.mark.parametrize("refused", ["ctr_careful", "ctr", "ctr_by_name"])
@pytest.mark.parametrize("route", [None, Route(champion=1), canary(1, 2)])
def test_a_version_that_does_not_load_leaves_route_and_models_as_they_were(store, admin, refused, route):
    if route is not None:
        store.replace_route(None, route)
    store.configure(store.opened())
    for name in admin.open:
        admin.load(name)
    before, load, once = dict(admin.open), admin.load, [refused]

    def refusing(name: str) -> None:
        if name in once:
            once.clear()
            raise ValueError(f"model '{name}' was not loaded: no reason")
        load(name)

    admin.load = refusing
    said = f"version 2 was refused, version 1 is still being served: model '{refused}' was not loaded: no reason"
    with pytest.raises(ValueError, match=said):
        switch(store, admin, 2)
    assert store.readable_route() == route and admin.open == before and opened_versions(store) == before
    switch(store, admin, 2)
    assert store.route() == Route(champion=2)


@pytest.mark.parametrize("calls", range(4))
def test_killed_at_every_load_the_route_is_the_truth_after_a_restart(store, calls):
    store.replace_route(None, Route(champion=1))
    died = subprocess.run([sys.executable, "-c", KILLED, store.folder, str(calls)], capture_output=True, text=True)
    assert died.returncode == (9 if calls < 3 else 0), died.stderr
    served = 1 if calls == 0 else 2
    assert store.active() == served
    assert open_by_route(store) == ["ctr_careful", "ctr", "ctr_by_name"]
    assert opened_versions(store) == SERVED[served] and store.configured() == served
    admin = FakeAdmin(store)  # the lock went with the process, and what was not done is done again
    switch(store, admin, 2)
    assert admin.open == SERVED[2] and store.before() == 1


def test_only_the_releases_of_a_rollout_may_be_served_while_it_is_under_way(store, admin):
    store.replace_route(None, canary(1, 2))
    said = r"refused, the server serves what it did before: the route has release 2 beside 1 \(mode canary\)"
    with pytest.raises(ValueError, match=said):
        switch(store, admin, 3)
    assert admin.asked == [] and store.route() == canary(1, 2, valid_until_ms=store.route().trial.valid_until_ms)
    switch(store, admin, 2)  # the challenger becomes the champion
    assert store.route() == Route(champion=2) and admin.open == SERVED[2]


def test_a_route_that_somebody_changes_meanwhile_is_not_overwritten(store, admin):
    store.replace_route(None, canary(1, 2))
    load = admin.load

    def loading(name: str) -> None:
        load(name)
        if store.route().trial is not None:
            store.replace_route(store.route(), Route(champion=1))  # make route SET=off

    admin.load = loading
    with pytest.raises(ValueError, match="version 2 was refused, version 1 is still being served: .*route was changed meanwhile"):
        switch(store, admin, 2)
    assert store.route() == Route(champion=1) and admin.open["ctr"] == [1]


def test_one_program_at_a_time_has_models_loaded(store, admin, monkeypatch):
    monkeypatch.setattr(switching, "WAIT_S", 0.1)
    busy = "another program has the server load models of .*models/; try again in a moment"
    with loading_alone(store), pytest.raises(Busy, match=busy):
        switch(store, admin, 2)
    assert admin.asked == [] and store.active() == 1
    with ThreadPoolExecutor(2) as pool:
        assert [*pool.map(lambda version: switch(store, admin, version), (2, 2))] == [None, None]
    assert store.active() == 2


def test_models_that_nothing_needs_any_more_are_let_go_first(store, admin):
    add_release(store, 4, models=("ctr", "ctr_by_name", "ctr_careful", "ctr_graph_4"))
    switch(store, admin, 4)
    assert admin.open["ctr_graph_4"] == [4]
    switch(store, admin, 1)
    assert "ctr_graph_4" in admin.open  # for calls under way
    switch(store, admin, 2)
    assert "ctr_graph_4" not in admin.open
