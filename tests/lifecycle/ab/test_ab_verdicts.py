"""What an A/B test says: when it is refused, when it is too early, and which release does better."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from lifecycle.ab.judged import judged, signed
from lifecycle.ab.sequence import sequence
from tests.lifecycle.ab.simulated_keys import TEST, rows_of, settings, simulated


def state_of(found, name: str) -> str:
    return next(check.state for check in found.checks if check.name == name)


@pytest.mark.parametrize(("lift", "verdict"), [(0.5, "challenger"), (-0.4, "champion"), (0.0, "open")])
def test_a_release_that_is_better_is_found(lift, verdict):
    found = judged(TEST, rows_of(simulated(5, lift=lift)), settings())
    assert found.verdict == verdict
    difference = found.told[-1].difference
    assert (difference.low > 0, difference.high < 0) == (verdict == "challenger", verdict == "champion")
    words = {
        "challenger": "the challenger does better: clicks a",
        "champion": "the champion does better",
        "open": "no difference",
    }
    assert found.sentence.startswith(words[verdict]) and f"{signed(difference.estimate)}" in found.sentence


@pytest.mark.parametrize(("value", "shown"), [(12.345, "+12.3"), (-0.045, "-0.0450"), (0.0, "+0"), (12345.6, "+12,346")])
def test_differences_have_three_digits_that_count(value, shown):
    assert signed(value) == shown


def test_nothing_is_told_before_the_minimum_runtime():
    by_key = simulated(5, days=13, lift=1.0)
    found = judged(TEST, rows_of(by_key), settings())
    assert found.verdict == "early" and found.told == () and len(found.days) == 13
    assert found.sentence == "too early to say anything: 13 of 14 days with final labels"
    told = judged(TEST, rows_of(simulated(5, days=16, lift=1.0)), settings()).told
    assert [day.days for day in told] == [14, 15, 16]


def test_nothing_is_told_of_few_keys_or_clicks():
    few = judged(TEST, rows_of(simulated(5, keys=700)), settings())
    assert few.verdict == "early" and "of 500 keys of the smaller arm" in few.sentence
    rare = simulated(5, days=21).with_columns(
        pl.when(pl.int_range(pl.len()) % 50 == 0).then("clicks").otherwise(0.0).alias("clicks")
    )
    found = judged(TEST, rows_of(rare), settings())
    assert found.verdict == "early" and "of 100 clicks of the smaller arm" in found.sentence


def test_keys_that_never_come_back_were_drawn():
    views = 20_000
    drawn = (
        simulated(1, days=20, keys=20)
        .head(1)
        .select(pl.all().repeat_by(views).explode())
        .with_columns(
            pl.Series("key", np.arange(views), dtype=pl.UInt64),
            pl.Series("arm", np.arange(views) % 2, dtype=pl.Int8),
            pl.lit(1, dtype=pl.UInt32).alias("views"),
        )
    )
    found = judged(TEST, rows_of(drawn, entities=0), settings())
    assert found.verdict == "refused" and found.told == ()
    assert "20,000 keys for 20,000 page views: 0.0% came before, they were drawn" in found.sentence
    with_visitors = drawn.with_columns(pl.when(pl.col("key") < 300).then(2).otherwise(1).cast(pl.UInt32).alias("views"))
    assert judged(TEST, rows_of(with_visitors, entities=0), settings()).verdict != "refused"
    assert judged(TEST, rows_of(drawn.head(900), entities=0), settings()).verdict == "early"


@pytest.mark.parametrize(("in_both", "verdict"), [(3, "open"), (4, "refused")])
def test_users_in_both_arms_are_at_most_one_in_a_thousand(in_both, verdict):
    found = judged(TEST, rows_of(simulated(5), entities=3000, in_both=in_both), settings())
    assert found.verdict == verdict
    assert state_of(found, "users are in one arm") == ("ok" if verdict == "open" else "refused")
    assert ("4 of 3,000 users in both arms: 0.13%" in found.sentence) == (verdict == "refused")


def test_without_entities_it_is_said_that_nobody_knows():
    found = judged(TEST, rows_of(simulated(5), entities=0), settings())
    assert found.verdict == "open" and state_of(found, "users are in one arm") == "unknown"


def test_rows_without_anybody_are_refused():
    found = judged(TEST, rows_of(simulated(1).clear(), entities=0, unkeyed=4000), settings())
    assert found.verdict == "refused" and "the journal does not say whose the 4,000 page views are" in found.sentence


def test_arms_of_other_shares_than_the_route_says_are_refused_for_good():
    by_key = simulated(7, share=0.4)
    found = judged(TEST, rows_of(by_key), settings())
    assert (
        found.verdict == "refused" and "keys are the challenger's" in found.sentence and "50.00% by the route" in found.sentence
    )
    assert judged(replace(TEST, share_ppm=400_000), rows_of(by_key), settings()).verdict != "refused"


def test_a_mismatch_that_was_seen_once_stays():
    wrong, many = simulated(7, days=1, keys=9000, share=0.3), simulated(8, days=1, keys=90_000)
    later = many.with_columns(pl.col("day") + pl.duration(days=1), pl.col("key") + 10**6)
    days = sequence(pl.concat([wrong, later]), 0.5, settings())
    assert days[0].ratio.is_mismatch and days[1].ratio == days[0].ratio


@pytest.mark.parametrize("share_ppm", [0, 1_000_000])
def test_with_nobody_in_an_arm_there_is_nothing_to_compare(share_ppm):
    found = judged(replace(TEST, share_ppm=share_ppm), rows_of(simulated(1)), settings())
    assert found.verdict == "refused" and "above 0 and below 100 %" in found.sentence


def test_no_final_day_is_too_early():
    found = judged(TEST, rows_of(simulated(1).clear(), entities=0), settings())
    assert (found.verdict, found.sentence) == ("early", "too early to say anything: no day has final labels yet")


def test_worth_counts_instead_of_clicks():
    by_key = simulated(5).with_columns((pl.col("clicks") * pl.when(pl.col("arm") == 1).then(3.0).otherwise(2.0)).alias("worth"))
    found = judged(TEST, rows_of(by_key), settings(value="price"))
    plain = judged(TEST, rows_of(simulated(5)), settings())
    assert found.verdict == "challenger" and "worth of clicks a thousand page views" in found.sentence
    last, before = found.days[-1], plain.days[-1]
    assert last.challenger.figure == pytest.approx(3 * before.challenger.figure)
    assert last.relative.estimate == pytest.approx(1.5 * (1 + before.relative.estimate) - 1)
