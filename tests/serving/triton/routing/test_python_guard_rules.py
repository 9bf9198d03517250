"""What puts a challenger off, and what does not: each guard by itself, on figures that are made up."""

from decimal import Decimal

import numpy as np
import pytest

from serving.triton.routing.guards import ERROR, FINE, TIMEOUT, Guards
from tests.serving.triton.routing.routes import LIMITS
from tests.serving.triton.routing.routes import limits as limited


def fed(guards: Guards, outcome: int, number: int, ms: float | None = 1.0):
    """What the guards say to each of so many requests that went alike."""
    return [guards.requests([(outcome, ms)]) for _ in range(number)]


def rows(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


def test_requests_that_go_well_are_no_reason():
    assert not any(fed(Guards(LIMITS), FINE, 1000))


@pytest.mark.parametrize(("outcome", "reason"), [(ERROR, "errors"), (TIMEOUT, "timeouts")])
def test_a_share_beyond_the_limit_is_judged_from_twenty_requests_on(outcome, reason):
    said = fed(Guards(LIMITS), outcome, 20)
    assert said[:19] == [None] * 19
    assert said[19].reason == reason
    assert said[19].evidence == {"requests": 20, reason: 20, "max_share": 0.05}


def test_two_that_fail_alone_are_no_share():
    guards = Guards(LIMITS)
    assert not any(fed(guards, FINE, 18) + fed(guards, ERROR, 2))
    assert fed(guards, ERROR, 1)[0].evidence["errors"] == 3


def test_a_share_at_the_limit_is_allowed_and_old_requests_are_forgotten():
    guards = Guards(LIMITS)
    fed(guards, FINE, 190)
    assert not any(fed(guards, ERROR, 10))  # 5 % of 200
    assert not any(fed(guards, FINE, 200))
    assert not any(fed(guards, ERROR, 10))
    assert fed(guards, ERROR, 1)[0].evidence["errors"] == 11


def test_p99_is_judged_from_a_hundred_requests_on_and_leaves_out_those_that_nobody_waited_for():
    guards = Guards(limited(max_p99_ms=50))
    fed(guards, FINE, 97)
    assert not any(fed(guards, FINE, 2, ms=None) + fed(guards, FINE, 2, ms=51.0))
    (trip,) = fed(guards, FINE, 1, ms=60.0)
    assert (trip.reason, trip.evidence) == ("p99", {"requests": 100, "slower": 3, "p99_ms": 51.0, "max_p99_ms": 50})


def test_one_slow_answer_in_a_hundred_is_allowed():
    guards = Guards(limited(max_p99_ms=50))
    assert not any(said for _ in range(5) for said in fed(guards, FINE, 99) + fed(guards, FINE, 1, ms=400.0))


@pytest.mark.parametrize(("champion", "challenger"), [(0.1, 0.16), (0.16, 0.1), (0.0, 0.1), (0.1, 0.0)])
def test_another_mean_is_a_reason_in_both_directions_from_a_hundred_rows_on(champion, challenger):
    guards = Guards(LIMITS)
    assert guards.pair(np.full(99, champion), np.full(99, challenger), None) is None
    assert guards.pair(rows(champion), rows(challenger), None).reason == "mean"


@pytest.mark.parametrize(("champion", "challenger"), [(0.1, 0.14), (0.14, 0.1), (0.0, 0.0)])
def test_a_mean_within_the_limit_is_none(champion, challenger):
    assert Guards(LIMITS).pair(np.full(256, champion), np.full(256, challenger), None) is None


def test_few_distinct_answers_are_a_reason_where_the_champion_has_many():
    champion = np.linspace(0.1, 0.3, 100, dtype=np.float32)
    trip = Guards(LIMITS).pair(champion, np.tile(rows(0.2), 100), None)
    assert (trip.reason, trip.evidence["champion_distinct"], trip.evidence["challenger_distinct"]) == ("distinct", 100, 1)
    assert Guards(LIMITS).pair(champion, np.repeat(np.linspace(0.1, 0.3, 20), 5), None) is None
    few = np.tile(np.linspace(0.1, 0.3, 15), 7)
    assert Guards(LIMITS).pair(few, np.full(105, 0.2), None) is None


def test_only_the_last_256_rows_count():
    guards = Guards(LIMITS)
    spread = np.linspace(0.1, 0.3, 256)
    assert guards.pair(np.full(99, 0.9), np.full(99, 0.1), None) is None
    assert guards.pair(spread, spread, None) is None


def test_slowness_is_judged_by_the_median_of_thirty_pairs_that_say_what_they_took():
    guards = Guards(limited(max_slowdown=Decimal(3)))
    said = [guards.pair(rows(0.5), rows(0.5), (0.001, 0.0031)) for _ in range(29)]
    assert not any([*said, guards.pair(rows(0.5), rows(0.5), None), guards.pair(rows(0.5), rows(0.5), (0.0, 1.0))])
    trip = guards.pair(rows(0.5), rows(0.5), (0.001, 0.9))
    assert (trip.reason, trip.evidence) == ("slowdown", {"pairs": 30, "median_ratio": 3.1, "max_slowdown": 3.0})


def test_a_few_slow_pairs_are_none():
    guards = Guards(limited(max_slowdown=Decimal(3)))
    assert not any(guards.pair(rows(0.5), rows(0.5), (1.0, 100.0 if turn % 3 == 0 else 1.0)) for turn in range(300))
