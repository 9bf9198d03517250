"""How much shadow work is taken, and how it is counted."""

from serving.triton.routing.shadow.hours import ShadowHours
from serving.triton.routing.shadow.level import ShadowLevel

NOON = 1_796_040_000_000_000_000  # 2026-11-30 12:00 UTC


def test_a_full_queue_lowers_the_level_step_by_step_and_an_empty_one_raises_it_again():
    level = ShadowLevel(0.0)
    shares = []
    for turn in range(1, 5):
        level.follow(0.6, turn / 4)
        shares.append(round(level.share, 4))
    assert shares == [0.8, 0.64, 0.512, 0.4096]
    level.follow(0.3, 1.5)
    assert round(level.share, 4) == 0.4096
    level.follow(0.0, 1.75)
    assert round(level.share, 4) == 0.4506
    for turn in range(100):
        level.follow(0.0, 2 + turn / 4)
    assert level.share == 1.0


def test_it_changes_no_more_often_than_every_tenth_of_a_second_and_never_to_nothing():
    level = ShadowLevel(0.0)
    for _ in range(1000):
        level.follow(1.0, 0.15)
    assert level.share == 0.8
    for turn in range(1000):
        level.follow(1.0, 1 + turn)
    assert level.share == 0.01


def test_a_lower_level_takes_some_of_the_same_keys():
    level = ShadowLevel(0.0)
    places = range(0, 1_000_000, 997)
    whole = {place for place in places if level.takes(place, 500_000)}
    level.follow(1.0, 1.0)
    less = {place for place in places if level.takes(place, 500_000)}
    assert whole == {place for place in places if place < 500_000}
    assert less == {place for place in places if place < 400_000}


def test_work_is_told_by_hour_and_counted_at_once():
    now, told, counted = [NOON - 1], [], []
    hours = ShadowHours(lambda *what, **labels: counted.append((*what, labels)), told.append, lambda: now[0], lambda: "ab" * 8)
    hours.count("done", 5)
    hours.count("dropped_by_key")
    hours.count("failed", 0)
    hours.look()
    assert told == []
    assert counted == [("adclick_shadow_total", n, {"outcome": what}) for n, what in ((5, "done"), (1, "dropped_by_key"))]
    now[0] = NOON
    hours.look()
    hours.look()
    hours.count("dropped_full", 2)
    hours.close()
    hours.close()
    known = {"event": "shadow_hour", "route": "ab" * 8, "at_ns": NOON}
    assert told == [
        known | {"hour": "2026-11-30T11", "done": 5, "failed": 0, "dropped_by_key": 1, "dropped_full": 0},
        known | {"hour": "2026-11-30T12", "done": 0, "failed": 0, "dropped_by_key": 0, "dropped_full": 2},
    ]
