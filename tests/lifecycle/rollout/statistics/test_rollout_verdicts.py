"""Verdicts on rollouts whose truth is known, and that they can be made again of what is kept of them."""

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from lifecycle.rollout.rollout import Step
from lifecycle.rollout.statistics.figures import by_rows, estimated, excess_loss
from lifecycle.rollout.statistics.judge import judge, judge_sums
from lifecycle.rollout.statistics.metrics import ALIKE_SLICES, slice_share
from lifecycle.rollout.statistics.ratio import sample_ratio
from tests.lifecycle.rollout.statistics.simulated_pairs import STEPS, assigned, judged, settings, simulated


def metrics_of(judgement) -> dict[tuple[str, str], str]:
    return {(one.metric, one.subject): one.verdict for one in judgement.metrics}


def test_an_equal_challenger_is_promoted_if_it_need_only_be_as_good():
    found = judged(simulated(1, days=20), need="not_worse", margin=0.01)
    said = [one.verdict for one in found]
    assert len(said) == 20 and said[0] == "hold" and said[-1] == "promote" and "back" not in said
    assert metrics_of(found[-1])["log_loss", ""] == metrics_of(found[-1])["calibration", ""] == "pass"


def test_an_equal_challenger_is_neither_promoted_nor_sent_back_where_it_must_be_better():
    for seed in range(3):
        assert judged(simulated(seed, days=8), need="better")[-1].verdict == "hold"


def test_a_better_challenger_is_promoted_where_it_must_be_better():
    found = judged(simulated(2, noise=0.1, champion_noise=0.5, days=20), need="better", calibration_margin=0.1)
    assert found[-1].verdict == "promote"
    own = {one.metric: one for one in found[-1].metrics if one.metric == "log_loss"}["log_loss"]
    assert own.both.high < 0 and own.both.low < own.both.estimate < own.both.high


def test_a_worse_challenger_is_sent_back_with_the_figures():
    found = judged(simulated(3, noise=0.8))
    assert found[-1].verdict == "back" and "log-loss against the champion's: +" in found[-1].reasons[0]


def test_while_the_arm_is_small_all_rows_send_back_what_the_mean_of_both_arms_does_not_know_yet():
    pairs = simulated(3, noise=0.5, share=0.06, pages=2000)
    steps = (STEPS[0], replace(STEPS[1], share_ppm=60_000))
    last = judge(pairs, assigned(pairs), steps, settings())[-1]
    loss = next(one for one in last.metrics if one.metric == "log_loss")
    assert last.verdict == "back" and loss.both.low < settings().margin < loss.both.estimate
    assert "weighed by rows" in loss.reason


def test_where_the_arms_have_as_many_rows_the_two_means_are_one():
    sums = judged(simulated(8, days=6))[-1].sums
    table = {name.removeprefix("canary:"): np.array([value]) for name, value in sums.items() if name.startswith("canary:")}
    even = table | {"challenger/w": table["champion/w"], "challenger/h": table["challenger/h"] * 1.01}
    both, rows = (estimated(even, excess_loss(0.0), view) for view in ("both", "rows"))
    assert rows.value == pytest.approx(both.value) and rows.error == pytest.approx(both.error)
    most = table | {"challenger/w": table["champion/w"] * 9}
    assert by_rows(most) == {"champion": 0.5, "challenger": 0.5}
    assert by_rows(table | {"challenger/w": table["champion/w"] / 9})["challenger"] == pytest.approx(0.1)


def test_a_challenger_whose_odds_are_too_high_is_sent_back():
    found = judged(simulated(4, log_odds=np.log(1.3)))
    assert found[-1].verdict == "back"
    assert any(one.verdict == "fail" for one in found[-1].metrics if one.metric in ("calibration", "log_loss"))


def test_a_challenger_that_mends_a_biased_champion_is_not_refused_for_its_calibration():
    pairs = simulated(4, log_odds=np.log(1.5), days=20, pages=2000)
    turned = pairs.rename({"champion": "challenger", "challenger": "champion"})
    assert judged(turned, need="better")[-1].verdict == "promote"


def test_a_challenger_that_is_wrong_in_one_slice_is_sent_back_for_that_slice():
    found = judged(simulated(5, log_odds=1.0, only_slice=True, days=20), slice_rows=500, margin=0.2)
    failed = [key for key, verdict in metrics_of(found[-1]).items() if verdict == "fail"]
    assert found[-1].verdict == "back" and failed == [("slice", "device=3")]


def test_a_challenger_that_could_be_promoted_can_still_be_sent_back():
    good, bad = simulated(1, days=8, pages=2000), simulated(11, days=8, pages=2000, noise=1.5)
    later = bad.with_columns((pl.col("answered_at") + pl.duration(days=8)).cast(good.schema["answered_at"]))
    said = [one.verdict for one in judged(pl.concat([good, later]), margin=0.03)]
    assert said[7] == "promote" and said[-1] == "back" and "back" not in said[:-1]


def test_shares_that_are_found_wrong_after_a_look_that_promotes_send_back():
    pairs = simulated(1, days=12, pages=2000)
    seen = assigned(pairs)
    late = seen.tail(1).with_columns(pairs["answered_at"].tail(1), step=pl.lit(2, dtype=pl.Int16))
    strangers = pl.concat(
        [late.with_columns(key=pl.lit(10**9 + n, dtype=pl.UInt64), arm=pl.lit(0, dtype=pl.Int8)) for n in range(100)]
    )
    steps = (*STEPS, Step(number=2, mode="canary", share_ppm=500_000, digest="2" * 16, from_ns=0))
    found = judge(pairs, pl.concat([seen, strangers]), steps, settings(margin=0.03))
    assert found[-2].verdict == "promote" and found[-1].verdict == "back" and found[-1].ratios[1].challenger == 0


def test_shadow_can_only_send_back():
    assert judged(simulated(6, step=0, noise=0.8))[-1].verdict == "back"
    assert judged(simulated(6, step=0, noise=0.05, champion_noise=0.8))[-1].verdict == "hold"


def test_nothing_is_decided_before_the_burn_in():
    pairs = simulated(3, noise=0.8, days=12)
    assert judged(pairs, burn_in_units=200_000)[-1].verdict == "hold"
    assert judged(pairs, arm_clicks=10**6)[-1].verdict == "hold"
    assert judge(pairs.clear(), assigned(pairs.clear()), STEPS, settings()) == []


def test_more_days_change_nothing_of_the_looks_before():
    pairs = simulated(7, days=8)
    days = pairs["answered_at"].dt.date()
    part = pairs.filter(days < sorted(days.unique())[4])
    before, after = judged(part), judged(pairs)
    assert len(before) == 4 and [one.verdict for one in before] == [one.verdict for one in after[:4]]
    for one, other in zip(before, after, strict=False):
        assert (one.rows, one.until_ns) == (other.rows, other.until_ns) and one.sums == pytest.approx(other.sums, rel=1e-9)


def test_a_verdict_is_made_again_of_its_sums():
    for pairs in (simulated(3, noise=0.8), simulated(8, days=6)):
        for one in judged(pairs, margin=0.02):
            kept = json.loads(json.dumps(one.sums))
            assert judge_sums(kept, settings(margin=0.02), one.rows, one.until_ns) == one


def test_rows_that_weigh_twice_are_two():
    pairs = simulated(9, days=6)
    twice = pairs.with_columns(pl.lit(2.0).alias("weight"))
    one, two = ({m.metric: m for m in judged(p)[-1].metrics if m.metric != "slice"} for p in (pairs, twice))
    assert two["log_loss"].both.estimate == pytest.approx(one["log_loss"].both.estimate)
    assert two["log_loss"].both.low == pytest.approx(one["log_loss"].both.low)


def test_arms_that_have_got_other_shares_are_sent_back():
    pairs = simulated(10, share=0.40)
    found = judged(pairs)
    assert found[-1].verdict == "back" and found[-1].ratios[0].is_mismatch and "routing keys" in found[-1].reasons[0]
    assert not judged(simulated(10))[-1].ratios[0].is_mismatch


def test_the_sample_ratio_is_seldom_mistaken_however_often_one_looks():
    rng, mistaken = np.random.default_rng(5), 0
    for _ in range(400):
        ours = np.cumsum(rng.random(3000) < 0.05)
        looks = range(50, 3000, 50)
        mistaken += any(sample_ratio(1, 0.05, n - int(ours[n]), int(ours[n]), 0.05).is_mismatch for n in looks)
    assert mistaken <= 400 * 0.05


def test_slices_share_no_more_than_there_is():
    assert 0.99 < sum(slice_share(place) for place in range(100_000)) < 1
    assert slice_share(0) == slice_share(ALIKE_SLICES - 1) > slice_share(ALIKE_SLICES + 30) > 0
