"""What waits is bounded: in number and in time. What comes beyond is refused at once and can be sent again."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.serving.doors import Reply, by_name, over_grpc, over_http, packed
from tests.serving.served_world import exported_with, serving

pytestmark = pytest.mark.triton
SIZE, CLIENTS = 3, 12


def ask_at_once(server, tensors, model: str = "ctr") -> list[Reply]:
    doors = [over_grpc, over_http] * (CLIENTS // 2)
    with ThreadPoolExecutor(CLIENTS) as pool:
        return list(pool.map(lambda door: door(server, tensors, model), doors))


def test_a_full_queue_refuses_at_once(exported, tmp_path, spec, exported_rows):
    slow = {"instances": 1, "max_queue_delay_us": 400_000, "max_queue_size": SIZE}
    with serving(tmp_path, exported_with(exported, tmp_path / "repository", **slow)) as server:
        replies = ask_at_once(server, packed(exported_rows[:1], spec))
        named = ask_at_once(server, by_name(exported_rows[:1], spec), "ctr_by_name")
    for found in (replies, named):
        assert {reply.code for reply in found} == {"OK", "UNAVAILABLE"}
        assert SIZE <= sum(reply.code == "OK" for reply in found) < CLIENTS
        assert all("Exceeds maximum queue size" in reply.error for reply in found if reply.code != "OK")


def test_a_request_that_waits_too_long_is_refused(exported, tmp_path, spec, exported_rows):
    slow = {"instances": 1, "max_queue_delay_us": 400_000, "queue_timeout_us": 50_000}
    with serving(tmp_path, exported_with(exported, tmp_path / "repository", **slow)) as server:
        replies = [*ask_at_once(server, packed(exported_rows[:1], spec))]
        replies += ask_at_once(server, by_name(exported_rows[:1], spec), "ctr_by_name")
    assert {reply.code for reply in replies} == {"UNAVAILABLE"}
    assert all("Request timeout expired" in reply.error for reply in replies)
