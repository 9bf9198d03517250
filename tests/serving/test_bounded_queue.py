"""What waits is bounded: while too much does, requests are refused at once and can be sent again; then all is well again."""

import threading
import time
from collections import Counter

import polars as pl
import pytest
import tritonclient.grpc as triton

from tests.serving.doors import by_name, grpc_inputs, over_grpc, over_http, packed, send_grpc
from tests.serving.metrics import scrape, total
from tests.serving.served_world import exported_with, serving, wait_for

pytestmark = pytest.mark.triton
SIZE, CLIENTS, FLOOD_S = 3, 16, 3.0


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
