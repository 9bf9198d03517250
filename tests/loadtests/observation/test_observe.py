import json
import os
import time

import psutil
import pytest

from loadtests.observation.observe import Observer
from loadtests.observation.observed import read_observations
from serving.server.ports import free_ports
from tests.loadtests.observation.metrics_page import metrics_page

INTERVAL_S = 0.05


def own_process():
    return {"client": [os.getpid()]}


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def wait_for_looks(page, number):
    """Until the page was read so many times more."""
    wanted, deadline = page.asked + number, time.monotonic() + 10
    while page.asked < wanted:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_gains_of_all_looks_add_up_to_what_the_server_did_also_across_a_restart(tmp_path):
    with metrics_page() as page:
        page.counts(100)
        with Observer(page.url, own_process, tmp_path / "observed.jsonl", INTERVAL_S):
            wait_for_looks(page, 2)
            page.counts(160, queue_us=5000)
            wait_for_looks(page, 2)
            page.counts(30, queue_us=900)  # another server
            wait_for_looks(page, 2)
            page.counts(45, queue_us=1000)
    seen = read_observations(tmp_path / "observed.jsonl").metrics
    gained = {name: seen.filter(seen["name"] == name)["gain"].sum() for name in seen["name"].unique()}
    assert gained["nv_inference_request_success"] == 60 + 30 + 15
    assert gained["nv_inference_queue_duration_us"] == 5000 + 900 + 100
    assert gained["adclick_requests_total"] == 60 + 30 + 15


def test_metrics_keep_their_names_and_those_of_other_subjects_are_left_out(tmp_path):
    with metrics_page() as page:
        page.counts(7)
        with Observer(page.url, own_process, tmp_path / "observed.jsonl", INTERVAL_S):
            wait_for_looks(page, 1)
    first = lines_of(tmp_path / "observed.jsonl")[0]["metrics"]
    assert first == {
        "nv_inference_request_success": {"model=ctr,version=1": 7.0},
        "nv_inference_queue_duration_us": {"model=ctr,version=1": 0.0},
        "nv_inference_pending_request_count": {"model=ctr,version=1": 3.0},
        "adclick_requests_total": {"outcome=answered,version=1": 7.0},
    }


def test_a_look_that_fails_is_a_line_that_says_so_and_the_next_one_counts_for_both(tmp_path):
    with metrics_page() as page:
        page.counts(10)
        with Observer(page.url, own_process, tmp_path / "observed.jsonl", INTERVAL_S):
            wait_for_looks(page, 1)
            page.status = 500
            wait_for_looks(page, 3)
            page.status = 200
            page.counts(40)
            wait_for_looks(page, 2)
    observed = read_observations(tmp_path / "observed.jsonl")
    reasons = observed.missing.filter(observed.missing["what"] == "metrics")["reason"]
    assert len(reasons) >= 2 and all("HTTP 500" in reason for reason in reasons)
    success = observed.metrics.filter(observed.metrics["name"] == "nv_inference_request_success")
    bridge = success.filter(success["gain"] == 30)
    assert len(bridge) == 1 and bridge["elapsed_s"][0] > 2 * INTERVAL_S
    assert bridge["rate"][0] == pytest.approx(30 / bridge["elapsed_s"][0])


def test_a_page_that_is_not_in_prometheus_format_is_a_look_that_failed(tmp_path):
    with metrics_page() as page:
        page.text = "<html>not found</html>"
        with Observer(page.url, own_process, tmp_path / "observed.jsonl", INTERVAL_S):
            wait_for_looks(page, 1)
    assert all("ValueError" in line["metrics_missing"] for line in lines_of(tmp_path / "observed.jsonl"))


def test_without_a_server_the_processes_are_observed_all_the_same(tmp_path):
    url = f"http://127.0.0.1:{free_ports(1)[0]}/metrics"
    with Observer(url, own_process, tmp_path / "observed.jsonl", INTERVAL_S):
        time.sleep(3 * INTERVAL_S)
    observed = read_observations(tmp_path / "observed.jsonl")
    assert observed.metrics.is_empty() and "NewConnectionError" in observed.missing["reason"][0]
    assert {*observed.processes["group"]} == {"client"}


def test_cpu_time_and_memory_of_a_process_are_what_the_system_says(tmp_path):
    with metrics_page() as page, Observer(page.url, own_process, tmp_path / "observed.jsonl", INTERVAL_S):
        end = time.process_time() + 0.4
        while time.process_time() < end:
            pass
    seen = read_observations(tmp_path / "observed.jsonl").processes
    used = seen["cpu_s"][-1] - seen["cpu_s"][0]
    assert 0.3 < used < 3 and seen["gain_s"].sum() == pytest.approx(used)
    assert seen["rss_mib"][-1] == pytest.approx(psutil.Process().memory_info().rss / 2**20, rel=0.5)
    assert 0 < seen["uss_mib"][-1] <= seen["pss_mib"][-1] <= seen["rss_mib"][-1] * 1.01
    assert {*seen["pid"]} == {os.getpid()}


def test_a_group_without_processes_and_a_process_that_is_gone_are_said_to_be_missing(tmp_path):
    gone = 2**22 + 1  # above the largest process id that Linux gives
    groups = {"server": [], "gone": [gone], "client": [os.getpid()]}
    with metrics_page() as page, Observer(page.url, lambda: groups, tmp_path / "observed.jsonl", INTERVAL_S):
        wait_for_looks(page, 1)
    observed = read_observations(tmp_path / "observed.jsonl")
    assert {*observed.missing["what"]} == {"server", "gone"}
    assert {*observed.processes["group"]} == {"client"}


def test_an_error_while_processes_are_looked_for_is_a_line_that_says_so(tmp_path):
    def refused():
        raise psutil.AccessDenied(1)

    with metrics_page() as page:
        page.counts(1)
        with Observer(page.url, refused, tmp_path / "observed.jsonl", INTERVAL_S):
            wait_for_looks(page, 1)
    observed = read_observations(tmp_path / "observed.jsonl")
    assert "AccessDenied" in observed.missing["reason"][0] and observed.missing["what"][0] == "processes"
    assert len(observed.metrics)


def test_lines_are_appended_after_the_torn_line_of_a_killed_observer(tmp_path):
    path = tmp_path / "observed.jsonl"
    path.write_text('{"at_s": 1.0, "machine_at_s": 1.0, "machine": {}}\n{"at_s": 2.0, "met')
    with metrics_page() as page:
        page.counts(1)
        with Observer(page.url, own_process, path, INTERVAL_S):
            wait_for_looks(page, 1)
    observed = read_observations(path)
    assert observed.machine["at_s"][0] == 1.0 and 2.0 not in observed.machine["at_s"]
    assert len(observed.machine) == len(path.read_text().splitlines()) - 1


def test_the_last_look_comes_an_interval_after_the_end(tmp_path):
    with metrics_page() as page:
        with Observer(page.url, own_process, tmp_path / "observed.jsonl", 0.2):
            wait_for_looks(page, 1)
            ended = time.monotonic()
        assert time.monotonic() - ended < 2
    assert lines_of(tmp_path / "observed.jsonl")[-1]["at_s"] >= ended + 0.2
