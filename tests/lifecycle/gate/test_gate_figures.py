"""When more is measured, and what is said: made-up rounds with figures known by hand."""

from dataclasses import asdict

import numpy as np
import pytest

from lifecycle.gate.checks import GateCheck, verdict
from lifecycle.gate.measuring.figures import figure_checks, open_workloads
from lifecycle.gate.measuring.slices import SentSlice, measured
from lifecycle.gate.measuring.training import training_checks
from lifecycle.gate.models import GatedModel
from tests.lifecycle.gate.gated_world import gate_config, made_up_round

CONFIG = gate_config()
LIMITS = asdict(CONFIG.limits)
NARROW = np.linspace(0.99, 1.01, 40)
WIDE = np.linspace(0.7, 1.4, 40)


def rounds(number=3, time=NARROW, cpu=NARROW, **more):
    return [made_up_round(CONFIG, time=time, cpu=cpu, **more) for _ in range(number)]


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (rounds(), None),  # all within
        (rounds(cpu=1.15 * NARROW), None),  # too slow: no need for more
        (rounds(time=WIDE), list(CONFIG.workloads)),
        (rounds(p99=[0.5, 1.0, 2.0]), None),  # p99 takes what there is
        (rounds(load=1.5), []),  # more starts, and nothing else
        ([*rounds(2, load=1.5), *rounds(1, load=1.2)], None),  # one start within is enough
    ],
)
def test_more_is_measured_only_where_something_is_open(found, wanted):
    assert open_workloads(CONFIG, found, LIMITS) == wanted


def test_a_slower_candidate_fails_with_the_figure_and_the_limit():
    checks = figure_checks(CONFIG, rounds(cpu=1.15 * NARROW), LIMITS)
    failed = [check for check in checks if not check.passed]
    assert [check.name for check in failed] == ["server CPU, 1 row / 1 client", "server CPU, 64 rows / 2 clients"]
    assert failed[0].sentence.startswith("server CPU, 1 row / 1 client: +15.0% [+14.")
    assert failed[0].sentence.endswith("; +5% is allowed (gate.limits.server_cpu)")
    assert failed[0].limit == 0.05 and failed[0].figures["growth"] == pytest.approx(0.15, abs=1e-3)


def test_what_noise_hides_passes_and_says_so():
    checks = {check.name: check for check in figure_checks(CONFIG, rounds(time=WIDE), LIMITS)}
    hidden = checks["request time, 64 rows / 2 clients"]
    assert hidden.passed and not hidden.decided
    assert "whether it is beyond +5% cannot be told from noise" in hidden.sentence
    assert "91 rows/s against 64 rows/s" in hidden.sentence  # 0.7 s and 1 s a request of 64 rows


@pytest.mark.parametrize(("memory", "passed"), [(1.12, False), (1.08, True)])
def test_memory_and_load_time_are_held_against_the_range_of_all_starts(memory, passed):
    checks = {check.name: check for check in figure_checks(CONFIG, rounds(6, memory=memory), LIMITS)}
    assert checks["memory after loading"].passed is passed and checks["memory after traffic"].passed is passed
    assert checks["load time"].passed


def test_fewer_starts_than_before_the_first_look_refuse_nothing():
    checks = {check.name: check for check in figure_checks(CONFIG, rounds(2, memory=2.0), LIMITS)}
    assert checks["memory after loading"].passed and not checks["memory after loading"].decided
    assert not {check.name: check for check in figure_checks(CONFIG, rounds(3, memory=2.0), LIMITS)}[
        "memory after loading"
    ].passed


def test_p99_is_that_of_blocks_of_slices_and_ratios_are_those_of_pairs():
    def one(seconds, latency):
        return SentSlice(request_time=seconds, server_cpu=seconds / 2, latencies_s=np.full(10, latency))

    pairs = [(one(2.0, 3.0), one(1.0, 1.0)), (one(3.0, 3.0), one(1.0, 1.0)), (one(4.0, 6.0), one(2.0, 1.0))]
    found = measured(pairs)
    assert found.ratios == {"request_time": [2, 3, 2], "server_cpu": [2, 3, 2], "p99": [3, 3, 6]}
    assert found.candidate == {"request_time": 3, "server_cpu": 1.5, "p99": 3}
    assert found.champion["request_time"] == 1


def trained(name, training):
    return GatedModel(
        name=name, repository=None, declaration=None, used=frozenset(), digest=name, served_as="", training=training
    )


LITTLE, SOME, MUCH = ({"train_s": s, "peak_memory_mib": mib} for s, mib in ((100, 800), (150, 900), (210, 1300)))


@pytest.mark.parametrize(
    ("now", "before", "passed", "said"),
    [
        (SOME, LITTLE, (True, True), "150 s, the champion's took 100 s (+50%)"),
        (MUCH, LITTLE, (False, False), "+100% is allowed (gate.limits.train_time)"),
        (MUCH, None, (True, True), "not known of the champion"),
        (None, LITTLE, (True, True), "not known of the candidate"),
    ],
)
def test_training_is_held_against_the_champions_where_both_are_known(now, before, passed, said):
    checks = training_checks(trained("candidate", now), trained("champion", before), LIMITS)
    assert tuple(check.passed for check in checks) == passed
    assert said in checks[0].sentence


def test_the_verdict_begins_with_the_gravest_reason():
    good, bad = GateCheck(name="a", passed=True, sentence="good"), GateCheck(name="b", passed=False, sentence="bad")
    open_one = GateCheck(name="c", passed=True, decided=False, sentence="who knows")
    assert verdict([good, bad, open_one]) == {"verdict": "failed", "passes": False, "reasons": ["bad", "who knows"]}
    found = verdict([good, open_one])
    assert found["passes"] and found["reasons"] == [
        "all 2 checks pass, 1 of them undecided",
        "who knows",
    ]
    assert verdict([good])["reasons"] == ["all 1 checks pass"]
