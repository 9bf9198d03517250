"""What the server follows is read of its metrics, and held against the route's file before there is load."""

import re
from pathlib import Path

import pytest

from contracts.files import write_whole
from contracts.serving.route import NAME, Route, text_of
from loadtests.routes import in_force
from loadtests.routes.in_force import Followed, describe_route, disagreement, experiment_on, followed_of
from tests.loadtests.observation.metrics_page import metrics_page
from tests.loadtests.routes.route_page import labels, page_of
from tests.serving.routing.routed_world import a_route

ROUTE = a_route(share=12.5)
OFF = Route(champion=1)


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(in_force, "AGREE_WITHIN_S", 0.3)
    monkeypatch.setattr(in_force, "OPEN_WITHIN_S", 0.3)


@pytest.fixture
def file(tmp_path) -> Path:
    return tmp_path / NAME


def put(file: Path, route: Route) -> None:
    write_whole(file, text_of(route).encode())


def test_the_newest_release_says_what_is_followed():
    other = a_route(share=1)
    found = {
        in_force.INFO: {labels(ROUTE, "9"): 1.0, labels(other, "10"): 1.0, labels(OFF, "11"): 0.0},
        in_force.OPEN: {"model=ctr,version=10": 1.0},
    }
    assert followed_of(found) == Followed(digest=other.digest, champion=1, challenger=2, is_open=True)
    assert followed_of({in_force.INFO: {labels(OFF, "1"): 1.0}}).challenger is None
    assert followed_of({}) is None and followed_of({in_force.INFO: {labels(OFF, "1"): 0.0}}) is None


def test_a_route_that_the_server_follows_is_the_experiment(file):
    put(file, ROUTE)
    with metrics_page() as page:
        page.text = page_of(ROUTE, is_open=True)
        found = experiment_on(page.url, file)
    assert (found.champion, found.challenger, found.route, found.is_open) == (1, 2, ROUTE, True)
    assert str(found) == "champion 1, challenger 2, mode ab, 12.5 % to challenger 2"


def test_a_challenger_that_does_not_open_is_said_and_one_whose_fuse_blew_is_not_waited_for(file, monkeypatch):
    put(file, ROUTE)
    with metrics_page() as page:
        page.text = page_of(ROUTE, is_open=False)
        found = experiment_on(page.url, file)
        assert not found.is_open and str(found).endswith("12.5 % to challenger 2, which is off")
        monkeypatch.setattr(in_force, "OPEN_WITHIN_S", 3600)
        fuse = file.parent / "fuses" / f"{ROUTE.digest:016x}.json"
        fuse.parent.mkdir()
        fuse.write_text("{}")
        assert not experiment_on(page.url, file).is_open


@pytest.mark.parametrize("route", [None, OFF])
def test_without_a_challenger_there_is_no_experiment(file, route):
    if route is not None:
        put(file, route)
    with metrics_page() as page:
        for text in ("", page_of(OFF, is_open=False), page_of(Route(champion=7), is_open=False)):
            page.text = text
            assert experiment_on(page.url, file) is None
    assert experiment_on("http://127.0.0.1:9/metrics", file) is None


def test_without_the_file_the_metrics_say_that_there_are_two_arms(file):
    with metrics_page() as page:
        page.text = page_of(ROUTE, is_open=True)
        for path in (file, None):
            found = experiment_on(page.url, path)
            assert (found.champion, found.challenger, found.route) == (1, 2, None)
            assert "of a route that is not here" in str(found)


@pytest.mark.parametrize("follows", [a_route(share=12.5, salt="0123456789abcdef"), a_route(share=13), OFF, None])
def test_a_file_that_the_server_does_not_follow_is_no_reference(file, follows):
    put(file, ROUTE)
    does = "no route" if follows is None else f"route {follows.digest:016x} "
    sentence = f"{file} says route {ROUTE.digest:016x} (mode ab, 12.5 % to challenger 2), but the server follows {does}"
    with metrics_page() as page:
        page.text = "" if follows is None else page_of(follows, is_open=True)
        with pytest.raises(ValueError, match=re.escape(sentence)):
            experiment_on(page.url, file)
        put(file, OFF)
        if follows is not None and follows.trial is not None:
            with pytest.raises(ValueError, match=r"\(champion 1 alone\), but the server follows route .*challenger 2\)"):
                experiment_on(page.url, file)


def test_a_broken_file_is_named(file):
    file.write_text("format 2\n")
    with metrics_page() as page, pytest.raises(ValueError, match="route: line 1: expected 'format 1', got 'format 2'"):
        experiment_on(page.url, file)


def test_a_route_that_is_renewed_is_the_same(file):
    later = a_route(share=12.5, minutes=99)
    followed = Followed(digest=ROUTE.digest, champion=1, challenger=2, is_open=True)
    assert disagreement(file, later, followed) is None and describe_route(OFF) == "champion 1 alone"
