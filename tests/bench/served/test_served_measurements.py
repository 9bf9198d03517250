"""What the measurements of the served model write of what they measured."""

import numpy as np
import pytest

from bench.figures import Figure
from bench.parts import PartFailed
from bench.served.capacity import capacity_figure, measured_capacity, search
from bench.served.entry import served_main
from bench.served.soak import soak_figures
from bench.served.spike import spike_figures
from loadtests.limits.capacity import Capacity, RateTrial
from loadtests.limits.settings import CapacityConfig, SoakConfig, SpikeConfig
from loadtests.limits.soak import Soaked
from loadtests.limits.spike import Spiked
from loadtests.perf_analyzer.process import QueueFull
from loadtests.perf_analyzer.settings import load_perf_settings
from loadtests.verdicts.samples import OUTCOMES, SAMPLE
from stages.files import read_json, write_json


def borne(rate, p99_ms=20.0):
    return RateTrial(rate=rate, achieved=rate, p99_ms=p99_ms, late_p99_ms=1.5, cpu_share=0.25)


def test_a_capacity_is_shown_with_what_it_rests_on():
    trials = [borne(1000), borne(2000, 30.0), borne(2000, 40.0), RateTrial(rate=2100, broken="p99 80.00 ms [70.00, 90.00]")]
    figure = capacity_figure(
        "grpc",
        16,
        Capacity(rate=2000, refused=2100, trials=trials, out_of_time=False),
        load_perf_settings("capacity", CapacityConfig),
    )
    assert figure.what == "capacity over gRPC, 16 rows a request, p99 <= 50 ms"
    assert figure.figure == (
        "2,000 requests/s, 32,000 rows/s; p99 35.0 ms, sent 1.5 ms late (p99) with 0.25 cores of the generator; "
        "2,100 not borne: p99 80.00 ms [70.00, 90.00]"
    )


def test_no_capacity_is_said_with_its_reason():
    nothing = Capacity(rate=0, refused=1, trials=[RateTrial(rate=1, broken="nobody answers")], out_of_time=True)
    assert capacity_figure("http", 1, nothing, load_perf_settings("capacity", CapacityConfig)).figure == "none: nobody answers"


def test_a_refusal_breaks_a_rate_and_the_search_goes_on():
    class Refusing:
        def open(self, rate, seconds, warmup_s, rng, arrivals):
            assert seconds * rate >= 1000
            raise QueueFull("the server refused a request: overloaded: too many requests are waiting")

    config = load_perf_settings("capacity", CapacityConfig, ["start=40"])
    found = search(Refusing(), config, minutes=1)
    assert [trial.rate for trial in found.trials] == [40, 40, 20, 20, 10, 10]
    assert "overloaded: too many requests are waiting" in found.trials[0].broken


def test_later_measurements_take_the_measured_rate(project):
    with pytest.raises(ValueError, match="run `make capacity`, or give the rate"):
        measured_capacity("grpc", 1)
    write_json(project / "reports/capacity.json", {"requests_per_s": {"grpc_1": 4321.0}})
    assert measured_capacity("grpc", 1) == 4321
    with pytest.raises(ValueError, match="no capacity over HTTP at 16 rows"):
        measured_capacity("http", 16)


def samples(due, latency_ms):
    made = np.zeros(len(due), dtype=SAMPLE)
    made["intended_s"] = made["sent_s"] = due
    made["done_s"] = due + np.asarray(latency_ms) / 1e3
    return made


def test_a_soak_is_judged_by_failures_memory_and_latency():
    due = np.arange(60_000) / 1000
    made = samples(due, np.where(due < 50, 10.0, 20.0))
    made["outcome"][:2] = OUTCOMES.index("wrong")
    memory = [(float(s), {"ctr": 100.0 + 2 * max(0, s - 10)}) for s in range(60)]
    soaked = Soaked(started_s=0, ended_s=60, samples=made, memory=memory, failed=["refused"])
    config = load_perf_settings("soak", SoakConfig, ["minutes=1"])
    failures, growth, latency = soak_figures(soaked, config, 1000)
    assert (failures.met, growth.met, latency.met) == (False, False, False)
    assert failures.figure == "59,998 answered rightly, 3 not; 1 slices ended early, the first: refused"
    assert latency.figure.startswith("2.00x: p99 20.00 ms")
    assert "at the end ctr 198 MiB" in growth.figure


def test_a_spike_is_judged_by_failures_refusals_and_recovery():
    due = np.arange(0, 40, 0.001)
    made = samples(due, np.full(len(due), 10.0))
    inside = np.flatnonzero((due >= 10) & (due < 30))
    for place, outcome in enumerate(("overloaded", "unsent", "failed")):
        made["outcome"][inside[place::4]] = OUTCOMES.index(outcome)
    config = load_perf_settings("spike", SpikeConfig, ["spike_s=20"])
    bad, answered, refused, recovery = spike_figures(Spiked(samples=made, began_s=10, ended_s=30), config, 200)
    assert bad.met is False
    assert bad.figure.startswith("5,000 of 15,000 sent: 33.3% ok, 33.3% overloaded, 33.3% failed; asked for were 1,000")
    assert bad.what.startswith("spike of 750 requests/s, 3.8x the capacity, for 20 s")
    assert answered.figure.startswith("p99 10.00 ms")
    assert (refused.met, recovery.met) == (True, True)
    assert recovery.figure.startswith("0 s; p99 before 10.0 ms")


def test_trying_prints_what_it_measured_even_where_it_fails(monkeypatch, capsys):
    config = load_perf_settings("capacity", CapacityConfig)
    nothing = Capacity(rate=0, refused=None, trials=[], out_of_time=True)

    def slower(overrides):
        assert overrides == ["pairs=1"]
        raise PartFailed("gRPC 1 / 1 is 0.5x", [capacity_figure("grpc", 1, nothing, config)])

    monkeypatch.setattr("sys.argv", ["x", "pairs=1"])
    with pytest.raises(SystemExit) as ended:
        served_main("bench-serving", slower)
    said = capsys.readouterr()
    assert ended.value.code == 1
    assert "none: no time to try" in said.out
    assert said.err == "bench-serving: error: gRPC 1 / 1 is 0.5x\n"


def test_before_there_is_a_model_nothing_is_measured_and_no_table_written(project, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["x"])
    with pytest.raises(SystemExit) as ended:
        served_main("capacity", lambda overrides: pytest.fail("it began"))
    assert ended.value.code == 1
    assert capsys.readouterr().err.startswith("capacity: error: artifacts/export/declaration.json is missing; run `make repro`")
    assert not (project / "docs").exists()


def test_a_regression_is_recorded_with_its_figures_and_ends_with_code_1(project, monkeypatch):
    (project / "docs").mkdir()
    (project / "artifacts/export").mkdir(parents=True)
    (project / "artifacts/export/declaration.json").write_text("{}")
    rows = [Figure(what="served over gRPC", figure="0.5x of the release before")]
    monkeypatch.setattr("sys.argv", ["x"])
    with pytest.raises(SystemExit) as ended:
        served_main("bench-serving", lambda overrides: (_ for _ in ()).throw(PartFailed("gRPC is slower", rows)))
    assert ended.value.code == 1
    part = read_json(project / "docs/benchmarks.json")["parts"]["bench-serving"]
    assert (part["error"], part["command"]) == ("gRPC is slower", "make bench-serving")
    assert "0.5x of the release before" in (project / "docs/benchmarks.md").read_text()
    with pytest.raises(SystemExit) as ended:
        served_main("bench-serving", lambda overrides: rows)
    assert ended.value.code == 0
    assert read_json(project / "docs/benchmarks.json")["parts"]["bench-serving"]["error"] is None
