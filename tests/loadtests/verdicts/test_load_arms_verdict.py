"""Who answered is held against the route: answers made by hand, keys whose buckets were computed here a second time."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from contracts.serving.route import Route
from loadtests.routes.in_force import Experiment
from loadtests.routes.watch import CLOSED, FUSE, LAPSED, Stretch, WatchedRoute
from loadtests.verdicts.arms import FALLBACK, SHADOW, TRIPS, UNKEYED, judge_arms
from loadtests.verdicts.keyed import KEYED
from loadtests.verdicts.samples import Window
from tests.serving.routing.routed_world import a_route

KEYS = [f"user {number}" for number in range(1000)]
SALT, OTHER = "9f86d081884c7d65", "0123456789abcdef"
WINDOW = Window(start_s=0.0, end_s=100.0)
HALF = a_route(share=50, salt=SALT)


def arms(salt: str = SALT, share: float = 0.5, keys: list[str] = KEYS) -> np.ndarray:
    """The version that has to answer each key: 2 where the first 64 bits of the digest are below the share of them."""
    first = [hashlib.sha256(f"{salt}\0{key}".encode()).digest()[:8] for key in keys]
    return np.array([2 if int.from_bytes(one, "big") / 2**64 < share else 1 for one in first])


def answered(version_A: np.ndarray, at_s: float | np.ndarray = 50.0, key_A: np.ndarray | None = None) -> np.ndarray:
    """An answer of each key, in turn, each after a millisecond."""
    found = np.zeros(len(version_A), dtype=KEYED)
    found["intended_s"] = found["sent_s"] = at_s
    found["done_s"] = found["sent_s"] + 0.001
    found["key"] = np.arange(len(version_A)) % len(KEYS) if key_A is None else key_A
    found["version"], found["right"] = version_A, True
    return found


def stretch(route: Route | None = HALF, start_s: float = 0.0, end_s: float = 100.0, off: str = "") -> Stretch:
    return Stretch(start_s=start_s, end_s=end_s, champion=1, challenger=2, route=route, off=off)


def watched(*stretches: Stretch, **counted: dict[str, int]) -> WatchedRoute:
    experiment = Experiment(champion=1, challenger=2, route=stretches[0].route, is_open=True)
    watch = WatchedRoute(experiment=experiment, file=None, metrics_url="")
    watch.stretches, watch.counted = [*stretches], {NAMES[name]: values for name, values in counted.items()}
    return watch


NAMES = {"fallback": FALLBACK, "shadow": SHADOW, "trips": TRIPS, "unkeyed": UNKEYED}


def checks(answers: np.ndarray, watch: WatchedRoute, keys: list[str] = KEYS) -> dict:
    return {check.name: check for check in judge_arms(answers, keys, watch, WINDOW).checks}


def test_answers_of_the_right_arms_are_right():
    found = checks(answered(arms()), watched(stretch()))
    assert found["wrong_arm"].measured == 0 and all(check.met for check in found.values())
    assert {*found} == {"wrong_arm", "off_route_share", "fuses_blown"}


def test_an_answer_of_the_challenger_for_a_key_of_the_champion_is_wrong_whatever_was_counted():
    versions = arms()
    place = int(np.flatnonzero(versions == 1)[0])
    versions[place] = 2
    check = checks(answered(versions), watched(stretch(), fallback={"timeout": 5}))["wrong_arm"]
    assert check.measured == 1 and not check.met


@pytest.mark.parametrize(("instead", "counted", "wrong"), [(0, 3, 0), (3, 3, 0), (4, 3, 1), (1, 0, 1), (5, 4, 1)])
def test_the_champion_may_answer_instead_as_often_as_was_counted(instead, counted, wrong):
    versions = arms()
    versions[np.flatnonzero(versions == 2)[:instead]] = 1
    split = {"timeout": counted // 2, "error": counted - counted // 2, "refused": 0, "full": 0}
    check = checks(answered(versions), watched(stretch(), fallback=split))["wrong_arm"]
    assert check.measured == wrong and check.met == (wrong == 0)
    assert f"of 1,000 answers; {instead} by the champion instead, {counted} fallbacks counted" in check.reason


def test_a_third_release_answers_nobody():
    versions = arms()
    versions[:7] = 3
    assert checks(answered(versions), watched(stretch(), fallback={"error": 9}))["wrong_arm"].measured == 7


@pytest.mark.parametrize("why", [f"{FUSE} (errors)", LAPSED, CLOSED])
def test_the_champion_answers_all_while_the_challenger_is_off(why):
    everything = np.ones(1000, dtype=int)
    parts = [answered(arms(), 20.0), answered(everything, 80.0)]
    watch = watched(stretch(end_s=50.0), stretch(start_s=50.0, off=why))
    found = checks(np.concatenate(parts), watch)
    assert found["wrong_arm"].measured == 0
    assert found["fuses_blown"].measured == int(why.startswith(FUSE))
    late = checks(np.concatenate([*parts, answered(arms(), 52.0)]), watch)  # the challenger goes on two seconds after
    assert late["wrong_arm"].measured == int((arms() == 2).sum())


def test_a_fuse_that_had_blown_before_is_no_fault_of_the_run():
    blown = stretch(off=f"{FUSE} (mean)")
    assert checks(answered(np.ones(1000, dtype=int)), watched(blown))["fuses_blown"].measured == 0
    assert checks(answered(arms()), watched(stretch(), trips={"mean": 1}))["fuses_blown"].measured == 1


@pytest.mark.parametrize(("at_s", "is_right"), [(48.8, False), (49.5, True), (50.5, True), (51.2, False)])
def test_in_the_second_of_a_change_both_routes_count(at_s, is_right):
    other = a_route(share=50, salt=OTHER)
    before, after = arms(SALT), arms(OTHER)
    watch = watched(stretch(end_s=50.0), stretch(other, start_s=50.0))
    asked = answered(before if at_s > 50 else after, at_s)
    wrong = checks(asked, watch)["wrong_arm"].measured
    assert wrong == (0 if is_right else int((before != after).sum())) and (before != after).sum() > 300


def test_a_request_that_was_under_way_longer_counts_for_both():
    other = a_route(share=50, salt=OTHER)
    asked = answered(arms(SALT), 55.0)
    asked["sent_s"] = 45.0
    assert checks(asked, watched(stretch(end_s=50.0), stretch(other, start_s=50.0)))["wrong_arm"].measured == 0


def test_another_champion_comes_with_its_route():
    promoted = replace(stretch(Route(champion=2), start_s=50.0), champion=2, challenger=None)
    asked = np.concatenate([answered(arms(), 20.0), answered(np.full(1000, 2), 80.0)])
    assert checks(asked, watched(stretch(end_s=50.0), promoted))["wrong_arm"].measured == 0
    assert checks(answered(arms(), 80.0), watched(stretch(end_s=50.0), promoted))["wrong_arm"].measured == (arms() == 1).sum()


@pytest.mark.parametrize(("keys", "times", "share", "met"), [(1000, 1, 0.55, True), (1000, 1, 0.6, False), (20, 50, 0.6, True)])
def test_a_share_that_is_off_is_found_and_few_keys_prove_little(keys, times, share, met):
    """A server that puts this share of the keys to its challenger, where half is right; each key asks `times` times."""
    versions = np.where(np.arange(keys) < share * keys, 2, 1).repeat(times)
    check = checks(answered(versions, key_A=np.arange(keys).repeat(times)), watched(stretch()))["off_route_share"]
    assert check.measured == pytest.approx(share - 0.5) and check.met == met
    assert check.limit == pytest.approx(4 * (0.25 / keys) ** 0.5 + 1 / keys)


def test_fallbacks_are_part_of_the_challengers_share():
    versions = arms()
    fell = np.flatnonzero(versions == 2)[:200]
    versions[fell] = 1
    off = abs((arms() == 2).mean() - 0.5)
    assert checks(answered(versions), watched(stretch(), fallback={"timeout": 200}))["off_route_share"].measured == pytest.approx(
        off
    )
    found = checks(answered(versions), watched(stretch()))
    assert not found["off_route_share"].met and found["wrong_arm"].measured == 200


def test_a_share_is_off_by_chance_within_its_binomial_interval():
    for share, off, met in ((0.05, 0.02, True), (0.05, 0.04, False), (0.5, 0.05, True), (0.5, 0.08, False)):
        versions = arms(share=share + off)
        route = a_route(share=share * 100, salt=SALT)
        check = checks(answered(versions), watched(stretch(route)))["off_route_share"]
        assert check.met == met, (share, off, str(check))
        assert f"{(versions == 2).mean():.2%} [" in check.reason and "of 1,000 answers to 1,000 keys" in check.reason


def test_all_or_nobody_is_exact():
    for share, version in ((100, 2), (0, 1)):
        route = a_route(share=share, salt=SALT)
        assert checks(answered(np.full(1000, version)), watched(stretch(route)))["off_route_share"].limit == 0
        one_off = answered(np.array([version] * 999 + [3 - version]))
        found = checks(one_off, watched(stretch(route)))
        assert not found["wrong_arm"].met


def test_requests_without_a_key_are_the_champions_and_in_no_share():
    keys = ["", *KEYS[1:]]
    versions = arms(keys=keys)
    versions[0] = 1
    found = checks(answered(versions), watched(stretch()), keys)
    assert found["wrong_arm"].measured == 0 and "of 999 answers to 999 keys" in found["off_route_share"].reason
    versions[0] = 2
    assert checks(answered(versions), watched(stretch()), keys)["wrong_arm"].measured == 1


def test_where_the_route_is_not_here_a_key_has_one_arm():
    unknown = watched(stretch(route=None), fallback={"timeout": 2})
    steady = np.concatenate([answered(arms("ffffffff"), 20.0), answered(arms("ffffffff"), 60.0)])
    assert [*checks(steady, unknown)] == ["wrong_arm", "fuses_blown"] and checks(steady, unknown)["wrong_arm"].measured == 0
    moved = steady.copy()
    moved["version"][1000 + np.flatnonzero(arms("ffffffff") == 2)[:5]] = 1
    assert checks(moved, unknown)["wrong_arm"].measured == 3  # five were answered by the other arm, two fallbacks were counted


def test_facts_count_answers_and_time_the_right_ones_of_the_window():
    asked = answered(arms(), np.linspace(-10, 89, 1000))
    asked["done_s"] = asked["sent_s"] + np.where(asked["version"] == 2, 0.02, 0.01)
    watch = watched(stretch(), fallback={"timeout": 0}, shadow={"done": 5, "dropped_by_key": 2})
    facts = judge_arms(asked, KEYS, watch, WINDOW).facts
    assert [(one["version"], one["number"]) for one in facts["answers"]] == [(v, int((arms() == v).sum())) for v in (1, 2)]
    assert [one["p50_ms"][0] for one in facts["answers"]] == pytest.approx([10, 20])
    assert facts["answers"][0]["p99_ms"] == [None] * 3  # too few
    assert facts["shadows"] == {"done": 5, "dropped_by_key": 2} and facts["off"] == [] and facts["instead"] == 0
    off = judge_arms(asked, KEYS, watched(stretch(off=LAPSED, end_s=30.0)), WINDOW).facts["off"]
    assert off == [{"from_s": 0.0, "to_s": 30.0, "why": LAPSED}]


def test_no_answer_at_all_is_judged_too():
    found = checks(np.empty(0, dtype=KEYED), watched(stretch()))
    assert found["wrong_arm"].measured == 0 and "off_route_share" not in found


def test_a_server_that_reads_no_key_is_named():
    found = checks(answered(np.ones(1000, dtype=int)), watched(stretch(), unkeyed={"": 1000}))
    assert found["wrong_arm"].measured == (arms() == 2).sum() and "1,000 requests had no key for the server" in str(
        found["wrong_arm"]
    )
