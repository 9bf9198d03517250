"""The search for the highest rate, against services whose capacity is known, and the verdict on a single run."""

import numpy as np
import pytest

from contracts.dataset.config_errors import ConfigError
from loadtests.limits.capacity import CapacityLimits, RateTrial, Search, judged
from loadtests.limits.settings import CapacityConfig, SoakConfig, SpikeConfig
from loadtests.perf_analyzer.analyzer import AnalyzerRun
from loadtests.perf_analyzer.settings import load_perf_settings
from loadtests.verdicts.samples import OUTCOMES, SAMPLE, Window

LIMITS = CapacityLimits(p99_ms=50, error_share=0, achieved_share=0.98)


def search(run, **changes):
    settings = {"start": 500, "growth": 2.0, "accuracy": 0.05, "votes": 3, "minutes": 10}
    return Search(run=run, **(settings | changes)).capacity()


def service(capacity):
    return lambda rate: RateTrial(rate=rate, broken="too much" if rate > capacity else "")


@pytest.mark.parametrize("capacity", [3, 120, 499, 500, 501, 2000, 4321, 87_000])
def test_the_capacity_is_found_to_its_accuracy(capacity):
    found = search(service(capacity))
    assert found.rate <= capacity < found.refused
    assert found.refused / found.rate <= 1.05
    assert not found.out_of_time


def test_a_service_that_lies_now_and_then_is_still_found_out():
    rng = np.random.default_rng(0)

    def noisy(rate):
        lies = rng.uniform() < 0.15
        return RateTrial(rate=rate, broken="too much" if (rate > 4321) != lies else "")

    found = [search(noisy, votes=7).rate for _ in range(20)]
    assert np.median(found) == pytest.approx(4321, rel=0.06)
    alone = [search(noisy, votes=1).rate for _ in range(20)]
    assert np.std(found) < np.std(alone)


def test_two_runs_that_agree_of_three_are_enough():
    found = search(service(500), growth=1.2)
    assert [trial.rate for trial in found.trials][:4] == [500, 500, 600, 600]


def test_nothing_is_claimed_of_a_service_that_bears_nothing():
    found = search(service(0))
    assert found.rate == 0
    assert found.trials[-1].rate == pytest.approx(500 / 256)


def test_out_of_time_the_best_so_far_is_told():
    now = [0.0]

    def slow(rate):
        now[0] += 30
        return service(4321)(rate)

    found = search(slow, clock=lambda: now[0], minutes=5)
    assert found.out_of_time
    assert (found.rate, found.refused) == (4000, 8000)
    assert now[0] == 300


def load(latencies_ms, outcomes=(), late_ms=0.0, seconds=1.0):
    samples = np.zeros(len(latencies_ms), dtype=SAMPLE)
    samples["intended_s"] = 100 + np.arange(len(samples)) / len(samples) * seconds
    samples["sent_s"] = samples["intended_s"] + late_ms / 1e3
    samples["done_s"] = samples["intended_s"] + np.array(latencies_ms) / 1e3
    for place, outcome in enumerate(outcomes):
        samples["outcome"][place] = OUTCOMES.index(outcome)
    return AnalyzerRun(samples=samples, window=Window(start_s=100, end_s=100 + seconds), cpu_s=0.5, wall_s=2.0)


def test_a_run_within_the_limits_is_borne():
    trial = judged(1000, load([5.0] * 1000, late_ms=2), LIMITS)
    assert (trial.broken, trial.p99_ms, trial.cpu_share) == ("", pytest.approx(5), 0.25)
    assert trial.late_p99_ms == pytest.approx(2)
    assert trial.achieved == 995  # the last five were answered after the end


@pytest.mark.parametrize(
    ("run", "rate", "broken"),
    [
        (load([5.0] * 980 + [60.0] * 20), 990, "p99 60.00 ms"),
        (load([5.0] * 1000, ["failed"]), 1000, "1 of 1,000 requests not answered rightly"),
        (load([5.0] * 1000, ["wrong"] * 2), 1000, "2 of 1,000 requests"),
        (load([5.0] * 900), 1000, "896 of 1,000 requests/s answered"),
        (load([5.0] * 100), 100, "p99 not claimed from 100 requests"),
    ],
)
def test_a_broken_limit_is_named(run, rate, broken):
    assert judged(rate, run, LIMITS).broken.startswith(broken)


@pytest.mark.parametrize(("name", "kind"), [("capacity", CapacityConfig), ("soak", SoakConfig), ("spike", SpikeConfig)])
def test_the_settings_are_sound_and_can_be_overridden(name, kind):
    assert load_perf_settings(name, kind, ["seed=7"]).seed == 7
    assert load_perf_settings(name, kind).seed == 0


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("votes=2", "votes must be odd"),
        ("limits.p99_ms=-1", r"capacity\.limits\.p99_ms: got -1.*\(conf/loadtest/bench/capacity\.yaml\)"),
        ("secondz=3", "expected key=value with a key of conf/loadtest/bench/capacity.yaml, got 'secondz=3'"),
        ("seconds", "expected key=value"),
        ("protocols=[smtp]", "got 'smtp'"),
    ],
)
def test_impossible_settings_are_one_sentence(override, message):
    with pytest.raises(ConfigError, match=message):
        load_perf_settings("capacity", CapacityConfig, [override])
