"""What the other arm says of the same rows is in the journal, under the id of the answer; nobody waits for it or is sent it."""

from collections import Counter
from decimal import Decimal

import numpy as np
import pytest

from contracts.serving.route import shadow_bucket
from tests.serving.doors import over_grpc, packed
from tests.serving.pictures import encoded
from tests.serving.served_world import exported_with, wait_for
from tests.serving.triton.routing.broken_graphs import make_graph_answer, make_graph_fail
from tests.serving.triton.routing.conftest import SERVED, released
from tests.serving.triton.routing.routed_world import routing
from tests.serving.triton.routing.routes import trial_route

pytestmark = pytest.mark.triton
LOOSE = {"max_mean_ratio": Decimal(1000), "min_distinct_ratio": Decimal(0), "max_error_share": Decimal(1)}


@pytest.fixture(scope="module")
def shadowed(keyed_exported, champion, tmp_path_factory):
    """The challenger says 0.25 to all rows."""
    folder = tmp_path_factory.mktemp("shadowed")
    second = released(keyed_exported, folder / "second", lambda version: make_graph_answer(version, 0.25))
    with routing(folder, champion, second) as running:
        yield running


def records(routed, status: int, route) -> dict[str, dict]:
    found = [entry for entry in routed.entries() if entry["status"] == status and entry["route"] == route.digest]
    assert len({entry["id"] for entry in found}) == len(found)
    return {entry["id"]: entry for entry in found}


def test_the_challenger_shadows_what_the_champion_answers(shadowed, keyed_rows, keyed_spec):
    route = trial_route(share=0, shadow=100, salt="cccc0001", **LOOSE)
    shadowed.put_in_force(route)
    replies = {}
    for row in range(0, 90, 3):
        reply = over_grpc(shadowed.server, packed(keyed_rows[row : row + 3], keyed_spec))
        assert reply.version.tolist() == [1, 1, 1]
        replies[reply.prediction_id] = reply
    wait_for(lambda: len(records(shadowed, 2, route)) == 30, 5, "all are shadowed")
    answers, shadows = records(shadowed, 0, route), records(shadowed, 2, route)
    assert answers.keys() == shadows.keys() == replies.keys()
    for own, reply in replies.items():
        assert answers[own]["outputs"] == reply.probability.tolist()
        assert shadows[own]["outputs"] == [0.25] * 3
        assert (answers[own]["release"], shadows[own]["release"], answers[own]["arm"], shadows[own]["arm"]) == (1, 2, 1, 1)
        assert shadows[own]["bucket"] == answers[own]["bucket"] is not None
    wait_for(lambda: shadowed.metric("adclick_shadow_total", outcome="done") >= 30, 5, "they are counted")
    assert shadowed.metric("adclick_requests_total", version="2") == 0
    assert shadowed.metric("adclick_rows_total", version="2") == 0


def test_the_champion_shadows_what_the_challenger_answers(shadowed, keyed_rows, keyed_spec):
    route = trial_route(share=100, shadow=0, salt="cccc0002", **LOOSE)
    shadowed.put_in_force(route)
    for row in range(20):
        reply = over_grpc(shadowed.server, packed(keyed_rows[row : row + 1], keyed_spec))
        assert reply.version.tolist() == [2] and reply.probability.tolist() == [0.25]
    wait_for(lambda: len(records(shadowed, 2, route)) == 20, 5, "all are shadowed")
    assert {(entry["release"], entry["arm"]) for entry in records(shadowed, 2, route).values()} == {(1, 2)}


def test_keys_are_drawn_by_their_hash(shadowed, keyed_rows, keyed_spec):
    route = trial_route(share=0, shadow=30, salt="cccc0003", **LOOSE)
    shadowed.put_in_force(route)
    tensors = packed(keyed_rows[:1], keyed_spec)
    expected = set()
    for number in range(60):
        reply = over_grpc(shadowed.server, tensors, routing_key=f"k{number}")
        if shadow_bucket("cccc0003", f"k{number}".encode()) < 300_000:
            expected.add(reply.prediction_id)
    assert 5 < len(expected) < 35
    wait_for(lambda: len(records(shadowed, 2, route)) == len(expected), 5, "they are shadowed")
    assert records(shadowed, 2, route).keys() == expected
    assert {entry["key"] for entry in records(shadowed, 2, route).values()} <= {f"k{number}" for number in range(60)}


def test_images_are_looked_at_by_both(shadowed, keyed_rows, keyed_spec):
    route = trial_route(share=0, shadow=100, salt="cccc0004", **LOOSE)
    shadowed.put_in_force(route)
    rows = keyed_rows[:1].with_columns(ad=keyed_rows["ad"][:1].replace_strict(keyed_rows["ad"][0], "never seen"))
    reply = over_grpc(shadowed.server, packed(rows, keyed_spec, [encoded(color=(9, 9, 9))]))
    assert reply.code == "OK", reply.error
    wait_for(lambda: reply.prediction_id in records(shadowed, 2, route), 5, "it is shadowed")


def test_the_hour_is_told_when_the_server_ends_and_what_fails_is_counted(
    keyed_exported, champion, keyed_rows, keyed_spec, tmp_path
):
    second = released(keyed_exported, tmp_path / "second", make_graph_fail)
    route = trial_route(share=0, shadow=100, salt="cccc0005", **LOOSE)
    with routing(tmp_path, champion, second, route, exit_timeout_s=10) as routed:
        for row in range(10):
            assert over_grpc(routed.server, packed(keyed_rows[row : row + 3], keyed_spec)).code == "OK"
            assert over_grpc(routed.server, packed(keyed_rows[row : row + 1], keyed_spec)).code == "OK"
        wait_for(lambda: routed.metric("adclick_shadow_total") == 20, 5, "all are done or failed")
        assert routed.metric("adclick_shadow_total", outcome="failed") == 10
        assert routed.log().count("a shadow failed (told once)") == 1
        assert routed.fuse(route) is None
    counted = Counter()
    for event in routed.events("shadow_hour"):
        counted.update({name: event[name] for name in ("done", "failed", "dropped_by_key", "dropped_full")})
    assert counted == {"done": 10, "failed": 10, "dropped_by_key": 0, "dropped_full": 0}


def test_errors_in_shadows_put_a_challenger_off(keyed_exported, champion, keyed_rows, keyed_spec, tmp_path):
    second = released(keyed_exported, tmp_path / "second", make_graph_fail)
    route = trial_route(share=0, shadow=100, salt="cccc0006")
    with routing(tmp_path, champion, second, route) as routed:
        for row in range(25):
            assert over_grpc(routed.server, packed(keyed_rows[row : row + 3], keyed_spec)).version[0] == 1
        fuse = wait_for(lambda: routed.fuse(route), 5, "the fuse blows")
        assert (fuse["reason"], fuse["evidence"]["requests"]) == ("errors", 20)


@pytest.mark.parametrize("share", [0, 100])
def test_a_challenger_with_more_columns_that_may_be_missing_takes_old_requests(
    champion, wide_exported, keyed_rows, keyed_spec, tmp_path, share
):
    second = exported_with(wide_exported, tmp_path / "second", instances=1, **SERVED)
    route = trial_route(share=share, shadow=100, salt="cccc0007", **LOOSE)
    with routing(tmp_path, champion, second, route) as routed:
        asked = [packed(keyed_rows[row : row + 4], keyed_spec) for row in range(20)]
        replies = [over_grpc(routed.server, tensors, declaration=keyed_spec.digest) for tensors in asked]
        assert [reply.version.tolist() for reply in replies] == [[2 if share else 1] * 4] * 20
        wait_for(lambda: len(records(routed, 2, route)) == 20, 5, "all are shadowed")
        by_wide = records(routed, 0 if share else 2, route)
        assert {entry["release"] for entry in by_wide.values()} == {2}
        assert np.ptp([entry["outputs"] for entry in by_wide.values()]) > 0
        strange = keyed_rows[:2].with_columns(view=7, site=keyed_rows["site"][:2] + "\x1f")
        reply = over_grpc(routed.server, packed(strange, keyed_spec))
        assert reply.code == "OK" and reply.version[0] in (1, 2)
        assert routed.metric("adclick_fallback_total") == 0


def test_a_release_that_lacks_a_column_of_the_requests_is_not_opened(champion, wide_exported, keyed_rows, keyed_spec, tmp_path):
    """The wide one is loaded, and the other is to challenge it."""
    first = exported_with(wide_exported, tmp_path / "first", instances=1, **SERVED)
    with routing(tmp_path, first, champion, trial_route(share=100, salt="cccc0008")) as routed:
        assert (
            "release 2 cannot be opened: it does not take the column 'slot', which requests have in that tensor" in routed.log()
        )
        wait_for(lambda: routed.metric("adclick_route_broken_total") == 1, 5, "it is counted")
        assert routed.metric("adclick_challenger_open") == 0
