"""Who answers, on real Triton: by the route's file, the key, the release that is asked for."""

import time

import numpy as np
import pytest
import tritonclient.grpc as triton

from bench.routing.challengers import constant, failing, hanging, make_challenger, not_finite, scaled, slow
from contracts.serving.route import bucket
from tests.serving.doors import ask_grpc, over_grpc, packed
from tests.serving.pictures import encoded
from tests.serving.routing.routed_world import SALT, a_route, routed
from tests.serving.served_world import REPOSITORY, wait_for

pytestmark = pytest.mark.triton
FACTOR = 0.5


@pytest.fixture(scope="module")
def champion(exported):
    return exported / REPOSITORY


@pytest.fixture(scope="module")
def challenger(champion, tmp_path_factory):
    return make_challenger(champion, tmp_path_factory.mktemp("challenger") / "repository", scaled(FACTOR))


def test_each_key_is_answered_by_the_arm_of_the_route(champion, challenger, exported_rows, spec, tmp_path):
    one = packed(exported_rows[:3], spec)
    with routed(tmp_path, champion, challenger, journal=True) as running:
        before = over_grpc(running.server, one)
        assert set(before.version.ravel()) == {1}
        route = a_route(share=30, max_mean_ratio=3)
        running.put(route)
        with triton.InferenceServerClient(running.server.grpc_url) as client:
            for i in range(300):
                key = f"user {i}"
                reply = ask_grpc(client, one, routing_key=key)
                expected = 2 if bucket(SALT, key.encode()) < 300_000 else 1
                assert set(reply.version.ravel()) == {expected}, key
                np.testing.assert_allclose(reply.probability, before.probability * (FACTOR if expected == 2 else 1), rtol=1e-6)
            assert set(ask_grpc(client, one, release=2).version.ravel()) == {2}
            assert set(ask_grpc(client, one, release=1).version.ravel()) == {1}
        wait_for(lambda: running.counted("adclick_routed_total", arm="challenger") > 50, 5, "counted")
        assert running.counted("adclick_fallback_total") == 0
        assert running.counted("adclick_guard_trips_total") == 0


def test_a_challenger_lapses_and_is_renewed(champion, challenger, exported_rows, spec, tmp_path):
    one = packed(exported_rows[:1], spec)
    with routed(tmp_path, champion, challenger) as running:
        running.put(a_route(share=100, minutes=0.05))
        assert over_grpc(running.server, one, routing_key="x").version[0] == 2
        time.sleep(3.2)
        assert over_grpc(running.server, one, routing_key="x").version[0] == 1
        running.put(a_route(share=100))
        wait_for(lambda: over_grpc(running.server, one, routing_key="x").version[0] == 2, 2, "it is renewed")


@pytest.mark.parametrize(
    ("surgery", "reason", "limits"),
    [
        (not_finite(), "non_finite", {}),
        (constant(0.3), "distinct", {"max_mean_ratio": 1000}),
        (constant(0.9), "mean", {}),
        (failing(), "errors", {}),
        (slow(400), "slowdown", {"max_slowdown": 3}),
        (hanging(), "hang", {"timeout_ms": 50}),
    ],
    ids=["nan", "constant", "mean", "errors", "slow", "hang"],
)
def test_a_broken_challenger_is_off_before_it_hurts(surgery, reason, limits, champion, exported_rows, spec, tmp_path):
    broken = make_challenger(champion, tmp_path / "repository", surgery)
    requests = [packed(exported_rows[i : i + 4], spec) for i in range(0, len(exported_rows), 4)]
    with routed(tmp_path, champion, broken, journal=True) as running:
        expected = [over_grpc(running.server, request).probability for request in requests]
        route = a_route(share=50, **limits)
        running.put(route)
        began = time.monotonic()
        with triton.InferenceServerClient(running.server.grpc_url) as client:
            for i in range(3000):
                reply = ask_grpc(client, requests[i % len(requests)], routing_key=f"user {i}")
                assert reply.code == "OK", reply
                if reply.version[0] == 1:
                    np.testing.assert_allclose(reply.probability, expected[i % len(requests)], rtol=1e-6)
                if running.fuse(route).exists():
                    break
        print(reason, i, time.monotonic() - began, running.fuse(route).read_text())
        assert f'"reason": "{reason}"' in running.fuse(route).read_text()
        assert {over_grpc(running.server, requests[0], routing_key=f"user {i}").version[0] for i in range(20)} == {1}


def test_what_the_champion_answers_is_computed_by_the_challenger_too(champion, challenger, exported_rows, spec, tmp_path):
    plain = packed(exported_rows[:4], spec)
    closely = packed(exported_rows[:1], spec, [encoded()])
    with routed(tmp_path, champion, challenger, journal=True) as running:
        route = a_route("shadow", share=0, shadow=100, max_mean_ratio=3)
        running.put(route)
        with triton.InferenceServerClient(running.server.grpc_url) as client:
            for i in range(50):
                assert set(ask_grpc(client, plain, routing_key=f"user {i}").version.ravel()) == {1}
            for i in range(5):
                assert set(ask_grpc(client, closely, routing_key=f"user {i}").version.ravel()) == {1}
        wait_for(lambda: running.counted("adclick_shadow_total", outcome="done") == 55, 10, "all are computed twice")
        assert running.counted("adclick_shadow_total") == 55
        assert not running.fuse(route).exists()
