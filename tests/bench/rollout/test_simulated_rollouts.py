"""Simulated rollouts: they are judged as real ones are, and models differ as much as they are to."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from bench.rollout.shares import interval
from bench.rollout.simulation.models import Sample, Scenario, rivals_of
from bench.rollout.simulation.noise import ErrorParts
from bench.rollout.simulation.outcome import first_mismatch, outcome_of
from bench.rollout.simulation.play import RolloutPlay, Theatre, looked_at, played, theatre
from bench.rollout.simulation.pool import PagePool, page_pool
from bench.rollout.simulation.schedule import schedule_of
from bench.rollout.simulation.seeds import components
from bench.rollout.worse import fixed_rows
from contracts.lifecycle.rollout import RolloutConfig, StepConfig
from contracts.params import read_section
from lifecycle.rollout.pairs import SLICE
from lifecycle.rollout.statistics.judge import judge

DAY_NS = 86_400_000_000_000


@pytest.fixture(scope="module")
def pool() -> PagePool:
    return page_pool(5, 6000, 4).until(20)


@pytest.fixture(scope="module")
def config() -> RolloutConfig:
    steps = (
        StepConfig(mode="shadow", share=0, days=2, rows=0),
        StepConfig(mode="canary", share=20, days=2, rows=0),
        StepConfig(mode="canary", share=50, days=1, rows=0),
    )
    found = read_section("rollout", RolloutConfig)
    return replace(found, steps=steps, look_rows=100, slice_rows=200, arm_clicks=20, calibration_margin=0.5)


def pairs_of(stage: Theatre, play: RolloutPlay) -> pl.DataFrame:
    pool, shown, number = stage.pool, play.shown, len(play.page_N)
    return pl.DataFrame(
        {
            "answered_at": pl.Series(pool.at_s_P[play.page_N] * 10**9).cast(pl.Datetime("ns", "UTC")),
            "step": play.schedule.step_D[shown.day_N].astype(np.int16),
            "arm": play.judged.is_challenger_N.astype(np.int8),
            "key": shown.user_N.astype(np.uint64),
            "creative": [f"cr{number}" for number in shown.creative_N],
            "champion": play.judged.champion_N,
            "challenger": play.judged.challenger_N,
            "clicked": play.judged.clicked_N.astype(np.int8),
            "weight": np.ones(number),
            **{SLICE + name: np.array(pool.values[name])[code_N] for name, code_N in shown.slices.items()},
        }
    )


def assigned_of(stage: Theatre, play: RolloutPlay) -> pl.DataFrame:
    pool = stage.pool
    seen = pl.DataFrame(
        {
            "answered_at": pl.Series(pool.at_s_P * 10**9).cast(pl.Datetime("ns", "UTC")),
            "step": play.schedule.step_D[pool.day_P].astype(np.int16),
            "key": pool.user_P.astype(np.uint64),
            "arm": play.is_ours_P.astype(np.int8),
        }
    )
    return seen.unique(["step", "key"], keep="first", maintain_order=True)


@pytest.mark.parametrize(
    ("policy", "scenario", "need"),
    [
        ("top1_of_k", Scenario(name="equal"), "better"),
        ("all", Scenario(name="worse", worse=0.2), "not_worse"),
        ("all", Scenario(name="better", worse=-0.2), "better"),
        ("top1_of_k", Scenario(name="broken", is_broken=True), "not_worse"),
        ("all", Scenario(name="slice", worse=1.5, column="device", code=1), "not_worse"),
    ],
)
def test_a_simulated_rollout_is_decided_at_the_look_at_which_judge_decides(pool, config, policy, scenario, need):
    stage = theatre(scenario, policy, pool, replace(config, need=need), maturity=3)
    play = played(stage, seed=1)
    looked = looked_at(stage, play, pool.num_days)
    begun_ns = int(pool.at_s_P[0] * 10**9 // DAY_NS * DAY_NS)
    judgement = judge(pairs_of(stage, play), assigned_of(stage, play), play.schedule.steps(stage.config, begun_ns), stage.config)[
        -1
    ]
    fail = looked.verdicts.first_fail
    look = len(looked.layout.ends_L) - 1 if fail is None else fail
    verdict = "back" if fail is not None else "promote" if looked.verdicts.promotes_L[look] else "hold"
    assert (judgement.verdict, judgement.rows) == (verdict, int(looked.layout.ends_L[look]))
    assert first_mismatch(stage, play) is None and not any(ratio.is_mismatch for ratio in judgement.ratios)
    compared = 0
    for name, value in judgement.sums.items():
        table, _, variable = name.partition(":")
        if variable in looked.tables.get(table, {}):
            assert looked.tables[table][variable][look] == pytest.approx(value, rel=1e-9, abs=1e-9), name
            compared += 1
    assert compared > 200


def test_both_verdicts_come_up_and_are_acted_upon_when_labels_are_final(pool, config):
    ends = {}
    for worse in (-0.2, 0.2):
        stage = theatre(Scenario(name="", worse=worse), "all", pool, replace(config, need="better"), maturity=3)
        outcome, play = outcome_of(stage, 1), played(stage, 1)
        looked = looked_at(stage, play, pool.num_days)
        day = int(looked.layout.day_L[np.searchsorted(outcome.rows_L, outcome.rows)])
        ends[worse] = outcome.ended
        assert outcome.day == day + 4
        if outcome.ended == "promoted":
            ends_L = looked.layout.ends_day_L & looked.verdicts.promotes_L
            first_day = int(looked.layout.day_L[ends_L][0])
            assert outcome.day == max(first_day + 4, play.schedule.promotable)
    assert ends == {-0.2: "promoted", 0.2: "back"}


@pytest.mark.parametrize("policy", ["all", "top1_of_k"])
@pytest.mark.parametrize("worse", [0.005, 0.02, -0.02])
def test_log_loss_differs_by_what_the_scenario_says(pool, policy, worse):
    scenario = Scenario(name="", worse=worse)
    rivals = rivals_of(scenario, pool, policy)
    assert Sample.of(scenario, pool, policy).worse(rivals) == pytest.approx(worse, rel=0.01)
    poor, good = (rivals.challenger, rivals.champion) if worse > 0 else (rivals.champion, rivals.challenger)
    assert poor.scale > good.scale == 1


def test_a_challenger_that_is_broken_is_so_for_its_own_users_in_canary_only(pool, config):
    stage = theatre(Scenario(name="broken", is_broken=True), "all", pool, config, maturity=3)
    right = theatre(Scenario(name="equal"), "all", pool, config, maturity=3)
    wrong, usual = played(stage, 2), played(right, 2)
    differs_N = wrong.judged.challenger_N != usual.judged.challenger_N
    ours_N = wrong.judged.is_challenger_N
    assert not differs_N[~ours_N].any() and differs_N[ours_N].mean() > 0.99
    assert not ours_N[wrong.shown.day_N < 2].any()
    assert outcome_of(stage, 2).costs.added == pytest.approx(wrong.added_N[wrong.shown.day_N < outcome_of(stage, 2).day].sum())


def test_a_step_ends_when_its_days_are_over_and_its_rows_are_final(config):
    steps = (
        StepConfig(mode="shadow", share=0, days=1, rows=0),
        StepConfig(mode="canary", share=10, days=1, rows=25),
        StepConfig(mode="canary", share=50, days=2, rows=0),
    )
    schedule = schedule_of(lambda day, share: round(100 * share) if share else 100, 12, replace(config, steps=steps), maturity=3)
    # three days of ten rows each, the last of which is final three days after its end
    assert schedule.step_D.tolist() == [0, *[1] * 6, *[2] * 5]
    assert schedule.promotable == 9 and schedule.known_at(3) == 7


def test_parts_of_errors_are_found_again():
    rng = np.random.default_rng(0)
    user_N, creative_N = rng.integers(2000, size=60_000), rng.integers(1500, size=60_000)
    value_N = (
        0.3 * rng.standard_normal(2000)[user_N] + 0.5 * rng.standard_normal(1500)[creative_N] + 0.2 * rng.standard_normal(60_000)
    )
    found = components(value_N, user_N, creative_N)
    assert (found["user"], found["creative"], found["row"]) == pytest.approx((0.3, 0.5, 0.2), abs=0.03)


def test_errors_are_shared_by_user_and_creative(pool):
    drawn = ErrorParts(user=1.0, creative=0.0, row=0.0).drawn(pool, np.random.default_rng(1))
    assert np.ptp(drawn, axis=1).max() == 0 and 0.9 < drawn[np.unique(pool.user_P, return_index=True)[1], 0].std() < 1.1
    drawn = ErrorParts(user=0.0, creative=2.0, row=0.0).drawn(pool, np.random.default_rng(1))
    assert len(np.unique(drawn)) == len(np.unique(pool.creative_PK))


def test_intervals_are_those_of_clopper_and_pearson():
    assert interval(0, 1000) == pytest.approx((0.0, 0.003682), abs=1e-6)  # 1 - 0.025 ** (1 / 1000)
    assert interval(1000, 1000) == pytest.approx((0.996318, 1.0), abs=1e-6)
    assert interval(5, 10) == pytest.approx((0.187086, 0.812914), abs=1e-6)  # R's binom.test(5, 10)


def test_a_test_of_fixed_size_needs_the_rows_after_which_enough_statistics_are_beyond_its_level(pool, config):
    stage = theatre(Scenario(name="", worse=0.2), "all", pool, config, maturity=3)
    one = outcome_of(stage, 1)
    rows_L, x_L = np.array([100, 200, 300]), np.array([np.nan, 2.0, 4.0], dtype=np.float32)
    ends = [replace(one, rows_L=rows_L, x_L=x_L), replace(one, rows_L=rows_L, x_L=x_L - 1)]
    assert fixed_rows(ends, 0.05, 0.5) == "200"
    assert fixed_rows(ends, 0.05, 0.99) == "300"
    assert fixed_rows(ends, 0.0001, 0.99) == "more than 300"
