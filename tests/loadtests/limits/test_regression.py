"""Slower than the release before, or only noise: the verdict by hand, which release it is, and both of them served."""

import json
import urllib.request

import pytest

from bench.served.versions import released_server, version_before
from loadtests.limits.regression import BenchServingConfig, Pairs, RegressionLimits, regressions
from loadtests.perf_analyzer.settings import load_perf_settings
from serving.releases.store import Store
from tests.serving.served_world import REPOSITORY, exported_with, server_config

LIMITS = RegressionLimits(median_ratio=0.9, agreeing_share=0.8)


def verdict(ours, before):
    return regressions([Pairs(name="gRPC 1 / 16", ours=ours, before=before)], LIMITS)


def test_a_clear_slow_down_is_told_with_its_figures():
    assert verdict((80, 70, 88), (100, 100, 110)) == [
        "gRPC 1 / 16 is 0.80x of the release before (0.70 to 0.80, 3 of 3 pairs slower; limit 0.9x)"
    ]


@pytest.mark.parametrize(
    ("ours", "before"),
    [
        ((91, 92, 93), (100, 100, 100)),  # slower, within the limit
        ((80, 85, 120), (100, 100, 100)),  # the median is low, but one of three says the contrary
        ((120, 130, 125), (100, 100, 100)),
        ((50, 50, 50), (50, 50, 50)),  # a slow machine slows both
    ],
)
def test_noise_is_no_slow_down(ours, before):
    assert verdict(ours, before) == []


def test_more_pairs_can_confirm_or_clear():
    assert len(verdict((80, 70, 88, 79, 84, 101), (100,) * 6)) == 1
    assert verdict((80, 70, 88, 99, 104, 101), (100,) * 6) == []


def test_each_workload_is_judged_alone():
    slow, fast = Pairs(name="slow", ours=(1, 1), before=(2, 2)), Pairs(name="fast", ours=(2, 2), before=(1, 1))
    assert [text.split()[0] for text in regressions([fast, slow], LIMITS)] == ["slow"]


def test_the_workloads_of_the_bar_are_measured():
    config = load_perf_settings("bench_serving", BenchServingConfig)
    assert {(1, 1), (1, 16), (1, 64), (16, 16), (16, 64), (128, 8)} <= {*config.workloads}
    assert len(config.workloads) == 10
    assert {1, 2} == {*config.processes}


@pytest.fixture
def releases(exported, tmp_path):
    """A store with two releases, the second of them served, and the two exports."""
    store = Store(tmp_path / "models")
    other = exported_with(exported, tmp_path / "other", instances=1)
    exports = (exported / REPOSITORY, other if (other / "ctr").is_dir() else other / "embedded")
    for repository in exports:
        store.activate(store.release(repository))
    return store, exports


def test_what_is_served_now_is_compared_with_what_was_before(releases):
    store, (first, second) = releases
    assert version_before(store, second) == 1
    assert version_before(store, first) == 2  # the export is not what is served
    store.activate(1)
    assert version_before(store, first) is None
    assert version_before(Store(store.folder / "nothing"), first) is None


@pytest.mark.triton
def test_an_earlier_release_is_served_beside_the_store(releases, tmp_path):
    store, _ = releases
    with (
        released_server(store, 1, server_config(tmp_path)) as server,
        urllib.request.urlopen(f"{server.http_url}/v2/models/ctr", timeout=5) as answer,
    ):
        assert json.load(answer)["versions"] == ["1"]
    assert store.active() == 2
    assert store.versions() == [1, 2]
