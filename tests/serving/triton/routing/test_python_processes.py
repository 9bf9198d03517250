"""Several processes of `ctr`, and one that is killed: the arms stay what the route says, and a fuse holds for all."""

import time

import numpy as np
import pytest

from tests.serving.doors import over_grpc, packed
from tests.serving.load import load
from tests.serving.served_world import kill, wait_for
from tests.serving.triton.routing.broken_graphs import make_graph_answer
from tests.serving.triton.routing.conftest import SERVED, released
from tests.serving.triton.routing.routed_world import routing
from tests.serving.triton.routing.routes import trial_route

pytestmark = pytest.mark.triton
EXPECTED = {"champion": 1, "challenger": 2}


def nothing(version) -> None:
    pass


def test_arms_are_the_same_after_a_process_was_killed(keyed_exported, keyed_rows, keyed_spec, tmp_path, capfd):
    first, second = (
        released(keyed_exported, tmp_path / name, nothing, instances=2, max_batch_size=rows)
        for name, rows in (("first", 1024), ("second", 512))
    )
    route = trial_route(share=50, salt="dddd0001")
    keys = [f"k{number}" for number in range(30)]
    tensors = packed(keyed_rows[:1], keyed_spec)

    def arms(server) -> list[int]:
        return [int(over_grpc(server, tensors, routing_key=key).version[0]) for key in keys]

    with routing(tmp_path, first, second, route, watch=True) as routed:
        wait_for(lambda: routed.metric("adclick_challenger_open") == 1, 5, "both are open")
        expected = [EXPECTED[route.answers(key.encode())] for key in keys]
        assert {*expected} == {1, 2} and arms(routed.server) == expected
        kill(routed.server, "ctr", 2)
        wait_for(lambda: over_grpc(routed.server, tensors).code == "OK", 20, "they are back")
        assert arms(routed.server) == expected
        entries = routed.entries()
        assert len({entry["id"] for entry in entries if entry["status"] == 0}) >= 60


def test_a_fuse_that_one_process_blew_holds_for_all(keyed_exported, keyed_rows, keyed_spec, tmp_path):
    first = released(keyed_exported, tmp_path / "first", nothing, instances=2)
    second = released(keyed_exported, tmp_path / "second", lambda version: make_graph_answer(version, np.nan), instances=2)
    route = trial_route(share=50, salt="dddd0002")
    with routing(tmp_path, first, second, route) as routed:
        with load(routed.server, keyed_rows, keyed_spec, clients=6) as asked:
            wait_for(lambda: routed.fuse(route), 10, "the fuse blows")
            time.sleep(1)
            entries = [entry["id"] for entry in routed.entries() if entry["arm"] == 2]
            time.sleep(0.5)
        assert dict(asked.reasons) == {} and not asked.wrong and asked.versions() == [1]
        late = [entry for entry in routed.entries() if entry["arm"] == 2 and entry["id"] not in entries]
        assert late == []
        assert len(routed.events("fuse")) == 1
    assert SERVED["native"] is False
