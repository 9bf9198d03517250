"""Which A/B tests there were: what the log of routes says, and the route that is in force."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from contracts.serving import release_log
from contracts.serving.fuse import write_fuse
from contracts.serving.release_log import Entry, append
from contracts.serving.route import NAME, Route, text_of
from lifecycle.ab.begun import ab_tests, chosen, fuses_of
from tests.lifecycle.replay.routed_world import TRIAL

SECOND_NS = 10**9
HALF = Route(champion=12, mode="ab", trial=replace(TRIAL, challenger=13, share_ppm=500_000))
CANARY = replace(HALF, mode="canary", trial=replace(HALF.trial, share_ppm=50_000))
OTHER = replace(HALF, trial=replace(HALF.trial, salt="deadbeef", share_ppm=200_000))


class Ticking:
    """A clock that is a second later whenever it is asked."""

    def __init__(self) -> None:
        self.at = datetime.fromtimestamp(1_800_000_000, UTC)

    def now(self) -> datetime:
        self.at += timedelta(seconds=1)
        return self.at


@pytest.fixture
def log(tmp_path, monkeypatch):
    """Writes routes, in force one after the other, and other events; begins at second 1 of START."""
    ticking = Ticking()
    monkeypatch.setattr(release_log, "clock", lambda: ticking)

    def write(*found, why="") -> None:
        for one in found:
            if isinstance(one, Route):
                reasons = (why,) if why else ()
                append(tmp_path, Entry(event="route", model=None, route=f"{one.digest:016x}", text=text_of(one), reasons=reasons))
                (tmp_path / NAME).write_text(text_of(one))
            else:
                append(tmp_path, Entry(event=one, model=None))

    return write


def seconds(ns: int | None) -> float | None:
    return None if ns is None else (ns - 1_800_000_000 * SECOND_NS) / SECOND_NS


def test_a_test_lasts_until_another_route_or_a_deployment(log, tmp_path):
    log(CANARY, HALF, Route(champion=12), OTHER, "refusal", "release", why="which is better")
    (tmp_path / NAME).write_text(text_of(Route(champion=13)))
    first, second = ab_tests(tmp_path)
    assert (first.champion, first.challenger, first.share, first.digests) == (12, 13, 50, (HALF.digest,))
    assert (seconds(first.from_ns), seconds(first.until_ns)) == (2, 3)
    assert (seconds(second.from_ns), seconds(second.until_ns)) == (4, 6)
    assert first.before == ("canary 5 %",) and second.before == () and first.why == "which is better"
    assert (first.name, second.name) == ("13-9f86d081-50", "13-deadbeef-20")


def test_other_limits_are_the_same_test_and_another_share_is_another(log, tmp_path):
    patient = replace(HALF, trial=replace(HALF.trial, limits=replace(HALF.trial.limits, timeout_ms=900)))
    more = replace(HALF, trial=replace(HALF.trial, share_ppm=600_000))
    log(HALF, patient, more)
    first, second = ab_tests(tmp_path)
    assert first.digests == (HALF.digest, patient.digest) and seconds(first.until_ns) == 3
    assert second.share == 60 and second.until_ns is None and second.before == ("ab 50 %",)


def test_the_route_in_force_is_the_truth(log, tmp_path):
    log(HALF, "release")  # a deployment that failed
    assert ab_tests(tmp_path)[0].until_ns is None
    (tmp_path / NAME).write_text("broken")
    assert seconds(ab_tests(tmp_path)[0].until_ns) == 2


def test_one_is_chosen_by_its_name_or_the_newest(log, tmp_path):
    with pytest.raises(ValueError, match='has seen no A/B test; begin one of release 13 .* make route SET="ab 13 50"'):
        chosen(ab_tests(tmp_path), None, tmp_path)
    log(HALF, OTHER)
    tests = ab_tests(tmp_path)
    assert chosen(tests, None, tmp_path) == tests[1] and chosen(tests, "13-9f86d081-50", tmp_path) == tests[0]
    with pytest.raises(ValueError, match="no A/B test '7'; there are 13-9f86d081-50, 13-deadbeef-20"):
        chosen(tests, "7", tmp_path)


def test_lines_that_a_crash_cut_off_are_none(log, tmp_path):
    log(HALF)
    with (tmp_path / release_log.NAME).open("a") as file:
        file.write('{"format": 1, "text": "form')
    assert len(ab_tests(tmp_path)) == 1


def test_a_fuse_of_its_route_is_its_own(log, tmp_path):
    log(HALF, OTHER)
    write_fuse(tmp_path, HALF.digest, "p99", {"ms": 70}, 5)
    first, second = ab_tests(tmp_path)
    assert [fuse.reason for fuse in fuses_of(first, tmp_path)] == ["p99"] and fuses_of(second, tmp_path) == []
