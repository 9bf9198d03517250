"""What waits is bounded: while too much does, requests are refused at once and can be sent again; then all is well again."""

import threading
import time
from collections import Counter

import polars as pl
import pytest
import tritonclient.grpc as triton

from tests.serving.doors import by_name, grpc_inputs, over_grpc, over_http, packed, send_grpc
from tests.serving.metrics import Metrics, scrape, total
from tests.serving.open_loop import send_open
from tests.serving.served_world import exported_with, serving, wait_for
from tests.serving.slow_graph import slow_down

pytestmark = pytest.mark.triton
SIZE, CLIENTS, FLOOD_S = 3, 16, 3.0
ROWS, OVERLOAD_S = 8, 10.0


@pytest.mark.parametrize("model", ["ctr", "ctr_by_name"])
def test_a_full_queue_refuses_at_once_and_recovers(exported, tmp_path, spec, exported_rows, model):
    rows = pl.concat([exported_rows] * 4)[:1000]
    tensors = packed(rows, spec) if model == "ctr" else by_name(rows, spec)
    limits = {"instances": 1, "max_queue_size": SIZE, "metrics_interval_s": 0.1}
    with serving(tmp_path, exported_with(exported, tmp_path / "repository", **limits)) as server:
        codes, slowest, sentences = flood(server, tensors, model)
        assert set(codes) == {"OK", "UNAVAILABLE"}
        assert codes["OK"] > 20 and codes["UNAVAILABLE"] > 20
        assert sentences == {
            "overloaded: too many requests are waiting, at most 3 may (serving.repository.max_queue_size); try again later"
        }
        assert slowest < 2.0
        time.sleep(0.3)
        assert {over_grpc(server, tensors, model).code for _ in range(20)} == {"OK"}
        if model == "ctr":
            wait_for(
                lambda: total(scrape(server), "adclick_requests_total", outcome="overloaded") == codes["UNAVAILABLE"],
                5,
                "all refusals are counted",
            )


def flood(server, tensors, model) -> tuple[Counter[str], float, set[str]]:
    """Outcomes, the longest time to one in seconds, and the refusals' words, of clients that do not rest."""
    codes, times, sentences = Counter(), [0.0], set()
    inputs = grpc_inputs(tensors)  # made once: the clients are to be quicker than the model
    end = time.monotonic() + FLOOD_S

    def ask(number: int) -> None:
        with triton.InferenceServerClient(server.grpc_url) as client:
            while time.monotonic() < end:
                begun = time.monotonic()
                reply = over_http(server, tensors, model) if number == 0 else send_grpc(client, inputs, model)
                times.append(time.monotonic() - begun)
                codes[reply.code] += 1
                if reply.code != "OK":
                    sentences.add(reply.error[reply.error.find("overloaded: ") :])

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return codes, max(times), sentences


@pytest.mark.parametrize("native", [True, False])
def test_requests_that_fill_a_batch_do_not_wait_without_limit(exported, tmp_path, spec, exported_rows, native):
    """Three times as many as the model can bear, whoever is overloaded by them."""
    tensors = packed(exported_rows[:ROWS], spec)
    limits = {"instances": 1, "max_queue_size": 8, "max_batch_size": ROWS, "metrics_interval_s": 0.1, "native": native}
    repository = exported_with(exported, tmp_path / "repository", **limits)
    slow_down(repository / "ctr/1", rounds=200)
    with serving(tmp_path, repository) as server:
        begun = time.monotonic()
        assert {over_grpc(server, tensors).code for _ in range(10)} == {"OK"}
        capacity = 10 / (time.monotonic() - begun)
        before = scrape(server)
        course = send_open(server, tensors, 3 * capacity, OVERLOAD_S)
        took_s = max(when for when, _, _ in course.ended) - course.sent[0]
        codes = Counter(course.codes())
        counted = {"answered": codes["OK"], "overloaded": codes["UNAVAILABLE"]}
        wait_for(lambda: grown(server, before, "outcome", "adclick_requests_total") == counted, 5, f"counts are {counted}")
        busy_s = sum(grown(server, before, "version", "nv_inference_compute_infer_duration_us").values()) / 1e6
    assert set(codes) == {"OK", "UNAVAILABLE"} and min(codes.values()) > 20
    assert max(course.pending) <= 8 + course.most_sent_between_answers()
    assert busy_s / took_s > 0.5  # 0.95 on an idle machine: refusing takes little time
    assert {words for _, code, words in course.ended if code != "OK"} == {
        "overloaded: too many requests are waiting, at most 8 may (serving.repository.max_queue_size); try again later"
    }


def grown(server, before: Metrics, label: str, name: str) -> dict[str, float]:
    """What the model's figures grew by, by the value of a label."""
    found: Counter[str] = Counter()
    for (key, labels), value in scrape(server).values.items():
        if key == name and dict(labels)["model"] == "ctr":
            found[dict(labels)[label]] += value - before.values.get((key, labels), 0)
    return +found


@pytest.mark.parametrize("clients", [1, 4])
def test_no_request_gets_stuck_beside_an_idle_instance(exported, tmp_path, spec, exported_rows, clients):
    """Triton 2.51 lets requests of a model with a queue policy lie for half a second, of few clients most of all."""
    took: list[float] = []

    def ask() -> None:
        for _ in range(400):
            begun = time.monotonic()
            assert over_grpc(server, packed(exported_rows[:1], spec)).code == "OK"
            took.append(time.monotonic() - begun)

    with serving(tmp_path, exported_with(exported, tmp_path / "repository", instances=1)) as server:
        threads = [threading.Thread(target=ask) for _ in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(took) == 400 * clients
    stuck = sum(0.45 < seconds < 0.55 for seconds in took)
    assert stuck <= 2, f"{stuck} of {len(took)} requests took half a second"
