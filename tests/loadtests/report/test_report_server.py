import polars as pl
import pytest

from loadtests.observation.observed import MISSING, Observations, with_cores, with_load, with_rates
from loadtests.report.server import client_saturation, counted, during, groups, groups_over_time, model_over_time, models

CTR = "model=ctr,version=2"
SEEN = {  # name -> values at 10, 11 and 13 s
    "nv_inference_request_success": (100, 110, 130),
    "nv_inference_count": (100, 260, 460),
    "nv_inference_exec_count": (100, 105, 115),
    "nv_inference_request_duration_us": (0, 50_000, 150_000),
    "nv_inference_queue_duration_us": (0, 20_000, 60_000),
    "nv_inference_compute_input_duration_us": (0, 0, 3_000),
    "nv_inference_compute_infer_duration_us": (0, 30_000, 87_000),
    "nv_inference_compute_output_duration_us": (0, 0, 0),
    "nv_inference_pending_request_count": (0, 7, 2),
}


@pytest.fixture
def metrics():
    rows = [(at, name, CTR, float(v)) for name, values in SEEN.items() for at, v in zip((10.0, 11.0, 13.0), values, strict=True)]
    rows += [(at, "nv_inference_request_success", "model=idle,version=1", 5.0) for at in (10.0, 11.0, 13.0)]
    rows += [(at, "nv_inference_request_failure", "model=ctr,reason=OTHER,version=2", at - 10) for at in (10.0, 11.0, 13.0)]
    rows += [(at, "adclick_refused_total", "rule=dtype,version=2", at) for at in (10.0, 11.0, 13.0)]
    return with_rates(pl.DataFrame(rows, schema=["at_s", "name", "labels", "value"], orient="row"))


def process_rows(*rows):
    names = ["at_s", "group", "pid", "cpu_s", "age_s", "rss_mib", "pss_mib"]
    schema = dict.fromkeys(names, pl.Float64) | {"group": pl.String, "pid": pl.Int64}
    return with_cores(pl.DataFrame(rows, schema=schema, orient="row"))


@pytest.fixture
def processes():
    return process_rows(
        (10.0, "server", 1, 0.0, 50.0, 30.0, 20.0),
        (10.0, "client", 2, 0.0, 50.0, 50.0, None),
        (10.0, "client", 3, 0.0, 50.0, 50.0, None),
        (11.0, "server", 1, 0.5, 51.0, 60.0, 40.0),
        (11.0, "client", 2, 0.95, 51.0, 50.0, None),
        (11.0, "client", 3, 0.1, 51.0, 50.0, None),
        (13.0, "server", 1, 1.0, 53.0, 40.0, 30.0),
        (13.0, "client", 2, 1.95, 53.0, 50.0, None),
        (13.0, "client", 3, 0.5, 53.0, 50.0, None),
    )


def test_means_of_a_request_and_sizes_of_a_batch_by_hand(metrics):
    found = models(metrics).to_dicts()
    assert [one["model"] for one in found] == ["ctr"]  # nobody asked the other
    expected = {
        "version": "2",
        "success": 30,
        "failure": 3,
        "executions": 15,
        "rows_an_execution": 360 / 15,
        "requests_an_execution": 2,
        "request_ms": 5,
        "queue_ms": 2,
        "input_ms": 0.1,
        "infer_ms": 2.9,
        "output_ms": 0,
        "pending": 7,
    }
    assert {name: found[0][name] for name in expected} == pytest.approx(expected)


def test_the_same_over_time(metrics):
    found = model_over_time(metrics, "ctr", 10.0, 1.0)
    assert found["seconds"].to_list() == [0, 1, 3]
    assert found["queue_ms"].to_list() == [None, 2.0, 2.0]
    assert found["rows_an_execution"].to_list() == [None, 160 / 5, 200 / 10]
    assert found["pending"].to_list() == [0, 7, 2]


def test_longer_steps_add_looks_up(metrics):
    found = model_over_time(metrics, "ctr", 10.0, 5.0)
    assert found["queue_ms"].to_list() == [2.0] and found["requests_an_execution"].to_list() == [2.0]


def test_what_the_models_count_is_shown_without_their_version(metrics):
    assert counted(metrics).rows() == [("adclick_refused_total", "rule=dtype", 3.0)]


def test_only_looks_back_on_the_time_of_the_run_count(metrics, processes):
    machine = with_load(pl.DataFrame({"at_s": [10.0, 11.0, 13.0], "cores": 2, "busy_s": [0.0, 1.0, 2.0], "stolen_s": 0.0}))
    missing = pl.DataFrame([(9.0, "metrics", "a"), (10.5, "metrics", "b")], schema=MISSING, orient="row")
    everything = Observations(metrics=metrics, processes=processes, machine=machine, missing=missing)
    inside = during(everything, 10.2, 10.9)
    assert inside.metrics["at_s"].unique().to_list() == [11.0]
    assert inside.processes["at_s"].unique().to_list() == [11.0]
    assert inside.machine["busy_cores"].to_list() == [1.0]
    assert inside.missing["reason"].to_list() == ["b"]
    assert during(everything, 11.5, 12.0).metrics["at_s"].unique().to_list() == [13.0]


def test_cores_and_memory_of_groups_by_hand(processes):
    found = {one["group"]: one for one in groups(processes).to_dicts()}
    server, client = found["server"], found["client"]
    assert [*found] == ["server", "client"]
    assert (server["processes"], client["processes"]) == (1, 2)
    assert server["mean_cores"] == pytest.approx(1.0 / 3) and server["peak_cores"] == pytest.approx(0.5)
    assert client["mean_cores"] == pytest.approx(2.45 / 3) and client["peak_cores"] == pytest.approx(1.05)
    assert (server["start_mib"], server["end_mib"], server["peak_mib"]) == (20, 30, 40)
    assert client["peak_mib"] == 100  # RSS where PSS may not be read


def test_cores_over_time(processes):
    found = groups_over_time(processes, 10.0, 1.0).filter(pl.col("group") == "client")
    assert found["seconds"].to_list() == [0, 1, 3]
    assert found["cores"].to_list() == [None, pytest.approx(1.05), pytest.approx(0.7)]


def test_a_load_generator_is_saturated_by_one_process_not_by_the_sum(processes):
    found = client_saturation(processes)
    assert (found.looks, found.saturated) == (2, 1) and found.peak_cores == pytest.approx(0.95)


def test_nothing_seen_gives_empty_tables(metrics, processes):
    assert models(metrics.clear()).is_empty() and groups(processes.clear()).is_empty()
    assert client_saturation(processes.clear()).looks == 0
