"""A challenger that is broken is put off by the process that serves it, for good; the champion answers all the while."""

import itertools
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc as triton

from contracts.serving.route import Route
from tests.serving.doors import ask_grpc, over_grpc, packed
from tests.serving.served.slow_graph import slow_down
from tests.serving.served_world import replace_file, wait_for
from tests.serving.triton.routing.broken_graphs import make_graph_answer, make_graph_fail, make_graph_hang
from tests.serving.triton.routing.conftest import released
from tests.serving.triton.routing.routed_world import routing
from tests.serving.triton.routing.routes import trial_route

pytestmark = pytest.mark.triton


def refusing(version: Path) -> None:
    """It takes no one older than 20."""
    settings = json.loads((version / "request.json").read_text())
    settings["numeric"][0] |= {"high": 20.0, "max": 20}
    replace_file(version, "request.json", json.dumps(settings).encode())


@pytest.fixture(scope="module")
def constant(keyed_exported, champion, tmp_path_factory):
    folder = tmp_path_factory.mktemp("constant")
    second = released(keyed_exported, folder / "second", lambda version: make_graph_answer(version, 0.5))
    with routing(folder, champion, second) as running:
        yield running


def trips(routed, route: Route, rows, spec, within_s: float = 10.0) -> dict:
    """The fuse, once it has blown under requests of all users, none of which fails."""
    routed.put_in_force(route)
    tensors = [packed(rows[start : start + 3], spec) for start in range(0, 240, 3)]
    stop = threading.Event()

    def ask(part: int) -> list:
        found = []
        with triton.InferenceServerClient(routed.server.grpc_url) as client:
            for sent in itertools.cycle(tensors[part::4]):
                if stop.is_set():
                    return found
                found.append((time.monotonic(), ask_grpc(client, sent)))

    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(ask, part) for part in range(4)]
        try:
            fuse = wait_for(lambda: routed.fuse(route), within_s, "the fuse blows")
            blown = time.monotonic()
            time.sleep(0.5)
        finally:
            stop.set()
        replies = [pair for future in asked for pair in future.result()]
    assert {(reply.code, reply.error) for _, reply in replies} == {("OK", "")}
    assert {int(reply.version[0]) for when, reply in replies if when > blown} == {1}
    wait_for(lambda: routed.metric("adclick_challenger_open") == 0, 5, "it is off")
    return fuse


def test_a_challenger_that_gives_no_numbers_answers_nobody(keyed_exported, champion, keyed_rows, keyed_spec, tmp_path):
    second = released(keyed_exported, tmp_path / "second", lambda version: make_graph_answer(version, np.nan))
    route = trial_route(share=50, salt="bbbb0001")
    with routing(tmp_path, champion, second, route) as routed:
        fuse = trips(routed, route, keyed_rows, keyed_spec)
        assert (fuse["route"], fuse["reason"], fuse["evidence"]["first"]) == (f"{route.digest:016x}", "non_finite", "nan")
        wait_for(lambda: routed.metric("adclick_guard_trips_total", guard="non_finite") == 1, 5, "it is counted")
        fallbacks = [entry for entry in routed.entries() if entry["status"] == 3]
        assert fallbacks and {(entry["release"], entry["arm"]) for entry in fallbacks} == {(1, 2)}
        wait_for(lambda: routed.metric("adclick_fallback_total", reason="error") == len(fallbacks), 5, "they are counted")
        assert {entry["release"] for entry in routed.entries()} == {1}
        (event,) = routed.events("fuse")
        assert (event["route"], event["reason"], event["evidence"]) == (fuse["route"], "non_finite", fuse["evidence"])
    with routing(tmp_path, champion, second, route) as again:
        wait_for(lambda: again.metric("adclick_route_info", route=fuse["route"]) == 1, 5, "the same route is in force")
        assert over_grpc(again.server, packed(keyed_rows[:1], keyed_spec), routing_key="k").version[0] == 1
        assert over_grpc(again.server, packed(keyed_rows[:1], keyed_spec), release=2).code == "INVALID_ARGUMENT"
        assert again.fuse(route) == fuse
        (entry, *_) = [entry for entry in again.entries() if entry["key"] == "k"]
        assert (entry["arm"], entry["flags"]) == (0, 1 | 4)


def test_one_that_says_the_same_to_all_is_put_off(constant, keyed_rows, keyed_spec):
    fuse = trips(
        constant, trial_route(share=20, shadow=100, salt="bbbb0002", max_mean_ratio=Decimal(1000)), keyed_rows, keyed_spec
    )
    assert fuse["reason"] == "distinct" and fuse["evidence"]["challenger_distinct"] == 1


def test_one_whose_mean_is_another_is_put_off_by_its_shadows_alone(constant, keyed_rows, keyed_spec):
    route = trial_route(share=0, shadow=100, salt="bbbb0003", min_distinct_ratio=Decimal(0), max_mean_ratio=Decimal("1.05"))
    fuse = trips(constant, route, keyed_rows, keyed_spec)
    assert fuse["reason"] == "mean" and fuse["evidence"]["challenger_mean"] == 0.5


def test_a_fuse_that_somebody_else_has_written_is_seen_within_a_second(constant, keyed_rows, keyed_spec):
    route = trial_route(share=100, salt="bbbb0004", min_distinct_ratio=Decimal(0), max_mean_ratio=Decimal(1000))
    constant.put_in_force(route)
    tensors = packed(keyed_rows[:1], keyed_spec)
    assert over_grpc(constant.server, tensors).version[0] == 2
    path = constant.store.folder / "fuses" / f"{route.digest:016x}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text("{}")
    wait_for(lambda: over_grpc(constant.server, tensors).version[0] == 1, 1, "the champion answers")
    assert path.read_text() == "{}"


def test_one_that_refuses_what_the_champion_takes_is_put_off(keyed_exported, champion, keyed_rows, keyed_spec, tmp_path):
    second = released(keyed_exported, tmp_path / "second", refusing)
    route = trial_route(share=50, salt="bbbb0006")
    with routing(tmp_path, champion, second, route) as routed:
        broken = packed(keyed_rows[:1].with_columns(age=-1.0), keyed_spec)
        keys = [f"k{i}" for i in range(60) if route.answers(f"k{i}".encode()) == "challenger"][:25]
        for key in keys:
            reply = over_grpc(routed.server, broken, routing_key=key)
            assert (reply.code, "breaks the rule min" in reply.error) == ("INVALID_ARGUMENT", True)
        assert routed.fuse(route) is None and routed.metric("adclick_fallback_total") == 0
        fuse = trips(routed, route, keyed_rows, keyed_spec)
        assert fuse["reason"] == "errors" and fuse["evidence"]["errors"] >= 3
        wait_for(
            lambda: routed.metric("adclick_fallback_total", reason="refused") == sum(e["status"] == 3 for e in routed.entries()),
            5, "fallbacks are counted",
        )  # fmt: skip


@pytest.mark.parametrize(
    ("rounds", "limits", "reasons"),
    [(6000, {"timeout_ms": 60, "max_slowdown": Decimal(1000)}, {"timeouts", "hang"}), (300, {"max_slowdown": 3}, {"slowdown"})],
)
def test_one_that_takes_too_long_is_put_off_and_its_requests_are_answered(
    keyed_exported, champion, keyed_rows, keyed_spec, tmp_path, rounds, limits, reasons
):
    second = released(keyed_exported, tmp_path / "second", lambda version: slow_down(version, rounds))
    route = trial_route(share=50, salt="bbbb0005", **limits)
    with routing(tmp_path, champion, second, route) as routed:
        fuse = trips(routed, route, keyed_rows, keyed_spec)
        assert fuse["reason"] in reasons
        fallen = sum(entry["status"] == 3 for entry in routed.entries())
        assert (fallen > 0) == ("timeouts" in reasons)
        wait_for(lambda: routed.metric("adclick_fallback_total") == fallen, 5, "fallbacks are counted")


def test_one_whose_graph_fails_is_put_off_and_its_requests_are_answered(
    keyed_exported, champion, keyed_rows, keyed_spec, tmp_path
):
    second = released(keyed_exported, tmp_path / "second", make_graph_fail)
    route = trial_route(share=50, salt="bbbb0007")
    with routing(tmp_path, champion, second, route) as routed:
        assert over_grpc(routed.server, packed(keyed_rows[:1], keyed_spec), release=2).version.tolist() == [2]
        asked = over_grpc(routed.server, packed(keyed_rows[:3], keyed_spec), release=2)
        assert (asked.code, asked.error) == ("INTERNAL", "the model could not answer this request; the server's log says why")
        assert trips(routed, route, keyed_rows, keyed_spec)["reason"] == "errors"
        fallen = sum(entry["status"] == 3 for entry in routed.entries())
        assert fallen > 0
        wait_for(lambda: routed.metric("adclick_fallback_total", reason="error") == fallen, 5, "fallbacks are counted")
        assert "release 2 failed: " in routed.log() and "Gather" in routed.log()


def test_one_that_hangs_is_put_off_and_left_behind_when_the_server_ends(
    keyed_exported, champion, keyed_rows, keyed_spec, tmp_path
):
    second = released(keyed_exported, tmp_path / "second", make_graph_hang)
    route = trial_route(share=50, salt="bbbb0008", timeout_ms=50, max_timeout_share=Decimal(1))
    with routing(tmp_path, champion, second, route, exit_timeout_s=10) as routed:
        fuse = trips(routed, route, keyed_rows, keyed_spec)
        assert fuse["reason"] == "hang" and fuse["evidence"]["computing_s"] >= 1
        assert {entry["release"] for entry in routed.entries()} == {1}
        began = time.monotonic()
    assert time.monotonic() - began < 8
    assert "release 2 still computes what it was asked; it is left behind" in routed.log()
