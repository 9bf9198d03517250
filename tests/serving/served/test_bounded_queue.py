"""What waits is bounded: while too much does, requests are refused at once and can be sent again; then all is well again."""

import threading
import time
from collections import Counter

import polars as pl
import pytest
import tritonclient.grpc as triton

from tests.serving.doors import by_name, grpc_inputs, over_grpc, over_http, packed, send_grpc
from tests.serving.metrics import scrape, total
from tests.serving.pictures import encoded
from tests.serving.served.open_loop import send_open
from tests.serving.served.slow_graph import slow_down
from tests.serving.served_world import exported_with, serving, wait_for

pytestmark = [pytest.mark.triton, pytest.mark.alone]
SIZE, CLIENTS, FLOOD_S, LONGEST_FLOOD_S, ENOUGH = 3, 16, 2.0, 60.0, 20
ROWS, OVERLOAD_S, COUNTED_WITHIN_S = 8, 6.0, 20


DOORS = [("ctr", True, False), ("ctr", False, False), ("ctr_by_name", True, False), ("ctr", True, True)]


@pytest.mark.parametrize(("model", "native", "images"), DOORS, ids=["native", "python", "by_name", "careful"])
def test_a_full_queue_refuses_at_once_and_recovers(exported, tmp_path, spec, exported_rows, model, native, images):
    rows = pl.concat([exported_rows] * 4)[:1000]
    sent = [encoded(color=(9, 9, 9))] * len(rows) if images else None
    tensors = packed(rows, spec, sent) if model == "ctr" else by_name(rows, spec)
    limits = {"instances": 1, "max_queue_size": SIZE, "metrics_interval_s": 0.1, "native": native}
    with serving(tmp_path, exported_with(exported, tmp_path / "repository", **limits)) as server:
        codes, slowest, sentences = flood(server, tensors, model)
        assert set(codes) == {"OK", "UNAVAILABLE"}
        assert min(codes.values()) > ENOUGH
        assert sentences == {
            "overloaded: too many requests are waiting, at most 3 may (serving.repository.max_queue_size); try again later"
        }
        assert slowest < 2.0
        time.sleep(0.3)
        assert {over_grpc(server, tensors, model).code for _ in range(20)} == {"OK"}
        counted = {"answered": codes["OK"] + 20, "overloaded": codes["UNAVAILABLE"]}
        wait_for(lambda: outcomes(server) == counted, COUNTED_WITHIN_S, f"counts are {counted}")


def outcomes(server) -> dict[str, float]:
    """Requests that the models counted, by what became of them."""
    found: Counter[str] = Counter()
    for (name, labels), value in scrape(server).values.items():
        if name == "adclick_requests_total":
            found[dict(labels)["outcome"]] += value
    return +found


def flood(server, tensors, model) -> tuple[Counter[str], float, set[str]]:
    """Outcomes, the longest time to one in seconds, and the refusals' words, of clients that do not rest.

    They go on until there is enough of both outcomes, which takes a busy machine longer.
    """
    codes, times, sentences = [], [0.0], set()  # a list takes from many threads without losing one
    inputs = grpc_inputs(tensors)  # made once: the clients are to be quicker than the model
    begin = time.monotonic()

    def goes_on() -> bool:
        passed = time.monotonic() - begin
        rare = min(codes.count("OK"), codes.count("UNAVAILABLE"))
        return passed < FLOOD_S or (rare <= ENOUGH and passed < LONGEST_FLOOD_S)

    def ask(number: int) -> None:
        with triton.InferenceServerClient(server.grpc_url) as client:
            while goes_on():
                begun = time.monotonic()
                reply = over_http(server, tensors, model) if number == 0 else send_grpc(client, inputs, model)
                times.append(time.monotonic() - begun)
                codes.append(reply.code)
                if reply.code != "OK":
                    sentences.add(reply.error[reply.error.find("overloaded: ") :])

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Counter(codes), max(times), sentences


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
        before = compute_s(server)
        course = send_open(server, tensors, 3 * capacity, OVERLOAD_S)
        took_s = max(when for when, _, _ in course.ended) - course.sent[0]
        codes = Counter(course.codes())
        counted = {"answered": codes["OK"] + 10, "overloaded": codes["UNAVAILABLE"]}
        wait_for(lambda: outcomes(server) == counted, COUNTED_WITHIN_S, f"counts are {counted}")
        busy_s = compute_s(server) - before
    assert set(codes) == {"OK", "UNAVAILABLE"} and min(codes.values()) > ENOUGH
    assert max(course.pending) <= 8 + course.most_sent_between_answers()
    assert busy_s / took_s > 0.5  # 0.95 on an idle machine: refusing takes little time
    assert {words for _, code, words in course.ended if code != "OK"} == {
        "overloaded: too many requests are waiting, at most 8 may (serving.repository.max_queue_size); try again later"
    }


def compute_s(server) -> float:
    """How long the graph was at work for requests."""
    return total(scrape(server), "nv_inference_compute_infer_duration_us", model="ctr") / 1e6


@pytest.mark.parametrize("clients", [1, 4])
def test_no_request_gets_stuck_beside_an_idle_instance(exported, tmp_path, spec, exported_rows, clients):
    """Triton 2.51 lets requests of a model with a queue policy lie for half a second, of few clients most of all."""
    took: list[float] = []

    def ask() -> None:
        for _ in range(200):
            begun = time.monotonic()
            assert over_grpc(server, packed(exported_rows[:1], spec)).code == "OK"
            took.append(time.monotonic() - begun)

    with serving(tmp_path, exported_with(exported, tmp_path / "repository", instances=1)) as server:
        threads = [threading.Thread(target=ask) for _ in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(took) == 200 * clients
    stuck = sum(0.45 < seconds < 0.55 for seconds in took)
    assert stuck <= 2, f"{stuck} of {len(took)} requests took half a second"
