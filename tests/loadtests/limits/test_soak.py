"""A soak's figures by hand, memory of real processes, slices that fail, and the picture."""

import mmap
import os
import threading

import numpy as np
import pytest

from loadtests.limits.settings import SoakConfig
from loadtests.limits.soak import MemoryWatch, Soaked, resident_mib, soak
from loadtests.limits.soak_plot import latency_over_time, plot_soak
from loadtests.perf_analyzer.analyzer import AnalyzerRun
from loadtests.perf_analyzer.process import QueueFull
from loadtests.perf_analyzer.settings import load_perf_settings
from loadtests.verdicts.samples import OUTCOMES, SAMPLE, Window


def samples(due_s, latency_ms):
    found = np.zeros(len(due_s), dtype=SAMPLE)
    found["intended_s"] = found["sent_s"] = due_s
    found["done_s"] = found["intended_s"] + np.asarray(latency_ms) / 1e3
    return found


@pytest.fixture
def soaked():
    """A hundred seconds: latency 10 ms, in the last tenth 30; memory grows by 1 MiB a second from the 20th on."""
    due_s = 1000 + np.arange(100_000) / 1000
    memory = [(1000.0 + s, {"tritonserver": 50.0, "ctr": 100.0 + max(0, s - 20)}) for s in range(100)]
    made = samples(due_s, np.where(due_s < 1090, 10.0, 30.0))
    return Soaked(started_s=1000, ended_s=1100, samples=made, memory=memory, failed=[])


def test_latency_of_the_end_is_told_from_that_of_the_beginning(soaked):
    assert soaked.p99(0, 0.1).ms == pytest.approx(10)
    assert soaked.p99(0.9, 1).ms == pytest.approx(30)


def test_growth_is_that_after_the_first_minutes(soaked):
    # from the 20th second on 80 looks: median of the last 8 is 75.5 above, of the first 8 it is 3.5
    assert soaked.growth_mib(0.2) == pytest.approx((72, 153.5))


def test_growth_is_not_claimed_from_one_look(soaked):
    short = Soaked(started_s=1000, ended_s=1100, samples=soaked.samples, memory=soaked.memory[:1], failed=[])
    with pytest.raises(ValueError, match="less than twice"):
        short.growth_mib(0.2)


def test_outcomes_are_counted(soaked):
    soaked.samples["outcome"][:3] = OUTCOMES.index("wrong")
    assert soaked.numbers() == {"ok": 99_997, "wrong": 3}


class Slices:
    """perf_analyzer's place: each slice is over at once; every third is refused."""

    def __init__(self, now):
        self.number, self.rates, self.now = 0, [], now

    def open(self, rate, seconds, warmup_s, rng, arrivals):
        self.number += 1
        self.rates.append((rate, arrivals))
        self.now[0] += seconds
        if self.number % 3 == 0:
            raise QueueFull("the server refused a request: overloaded: too many requests are waiting")
        made = samples(self.now[0] + np.linspace(-1, 0, 600), np.full(600, 5.0))
        return AnalyzerRun(samples=made, window=Window(start_s=self.now[0] - 1, end_s=self.now[0]), cpu_s=0.1, wall_s=1.0)


def test_a_slice_that_is_refused_is_noted_and_the_soak_goes_on(monkeypatch):
    config = load_perf_settings("soak", SoakConfig, ["minutes=1", "slice_s=10", "memory_every_s=100"])
    now = [50.0]
    monkeypatch.setattr("loadtests.limits.soak.time.monotonic", lambda: now[0])
    slices = Slices(now)
    found = soak(slices, config, 300, os.getpid())
    assert slices.rates == [(300, "poisson")] * 6
    assert found.failed == ["the server refused a request: overloaded: too many requests are waiting"] * 2
    assert found.numbers() == {"ok": 2400}
    assert (found.started_s, found.ended_s) == (50, 110)


def test_memory_of_a_process_is_that_which_it_holds():
    before = resident_mib(os.getpid())["tritonserver"]
    with mmap.mmap(-1, 40 * 2**20) as held:  # pages of its own, where an array may get what others gave back
        for page in range(0, len(held), mmap.PAGESIZE):
            held[page] = 1
        assert resident_mib(os.getpid())["tritonserver"] - before == pytest.approx(40, abs=4)
    assert resident_mib(2**22 + 1) == {}


def test_memory_is_looked_at_again_and_again():
    with MemoryWatch(server_pid=os.getpid(), every_s=0.02) as watch:
        threading.Event().wait(0.3)
    assert 5 <= len(watch.seen) <= 16
    assert np.all(np.diff([at for at, _ in watch.seen]) >= 0.02)


def test_the_picture_shows_both_over_time(soaked, tmp_path):
    minutes, p50, p99 = latency_over_time(soaked)
    assert minutes[0] == pytest.approx(100 / 60 / 240)
    assert (p50[0], p99[-1]) == (pytest.approx(10), pytest.approx(30))
    plot_soak(soaked, tmp_path / "docs" / "soak.svg")
    text = (tmp_path / "docs" / "soak.svg").read_text()
    assert all(word in text for word in ("<svg", "tritonserver", "p99", "minutes"))
