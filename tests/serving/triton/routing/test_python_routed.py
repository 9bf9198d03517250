"""Without the native backend the Python model `ctr` routes by itself: the arms are what the route says, and the challenger's
requests are whole.
"""

import time
from collections import Counter
from itertools import pairwise

import pytest

from contracts.serving.route import Route, bucket
from tests.serving.doors import by_name, over_grpc, over_http, over_json, packed
from tests.serving.load import load
from tests.serving.served_world import exported_with, wait_for
from tests.serving.triton.routing.conftest import SERVED
from tests.serving.triton.routing.routed_world import routing
from tests.serving.triton.routing.routes import trial_route

pytestmark = pytest.mark.triton


@pytest.fixture(scope="module")
def routed(keyed_exported, champion, tmp_path_factory):
    """A server of two releases of the same model, which answer alike."""
    folder = tmp_path_factory.mktemp("routed")
    second = exported_with(keyed_exported, folder / "second", instances=1, max_batch_size=512, **SERVED)
    with routing(folder, champion, second) as running:
        yield running


def ask(routed, rows, spec, door=over_grpc, **parameters):
    reply = door(routed.server, packed(rows, spec), **parameters)
    assert reply.code == "OK", reply.error
    assert len({*reply.version.tolist()}) == 1
    return reply


def test_each_user_gets_the_arm_that_the_route_says(routed, keyed_rows, keyed_spec):
    route = trial_route(share=50, salt="aaaa0001")
    routed.put_in_force(route)
    versions = {}
    for row in range(60):
        user = keyed_rows["user"][row]
        version = int(ask(routed, keyed_rows[row : row + 1 + row % 3], keyed_spec).version[0])
        assert version == {"champion": 1, "challenger": 2}[route.answers(user.encode())]
        versions[user] = version
    assert {*versions.values()} == {1, 2}
    last = ask(routed, keyed_rows[:3], keyed_spec)
    entries = [entry for entry in routed.entries() if entry["id"] == last.prediction_id]
    entry = next(entry for entry in entries if entry["status"] == 0)
    assert entry.pop("outputs") == last.probability.tolist() and entry.pop("id")
    assert entry == {
        "release": int(last.version[0]), "status": 0, "arm": int(last.version[0]), "route": route.digest,
        "bucket": bucket("aaaa0001", keyed_rows["user"][0].encode()), "flags": 0, "key": None,
    }  # fmt: skip


@pytest.mark.parametrize("door", [over_grpc, over_http, over_json])
def test_a_routing_key_decides_instead_of_the_user_through_both_models(routed, keyed_rows, keyed_spec, door):
    route = trial_route(share=50, salt="aaaa0002")
    routed.put_in_force(route)
    seen = set()
    for key in [f"key {i}" for i in range(12)] + ["\u00fc" * 128]:
        expected = {"champion": 1, "challenger": 2}[route.answers(key.encode())]
        for model, build in (("ctr", packed), ("ctr_by_name", by_name)):
            reply = door(routed.server, build(keyed_rows[:2], keyed_spec), model, routing_key=key)
            assert (reply.code, reply.version.tolist()) == ("OK", [expected] * 2)
        seen.add(expected)
    assert seen == {1, 2}
    entry = next(e for e in routed.entries() if e["id"] == reply.prediction_id and e["status"] == 0)
    assert (entry["flags"], entry["key"], entry["arm"]) == (1, "\u00fc" * 128, expected)


@pytest.mark.parametrize("key", ["", "x" * 257, "\u00fc" * 129, 5, True])
@pytest.mark.parametrize(("model", "build"), [("ctr", packed), ("ctr_by_name", by_name)])
def test_a_routing_key_that_is_none_is_refused(routed, keyed_rows, keyed_spec, key, model, build):
    reply = over_grpc(routed.server, build(keyed_rows[:1], keyed_spec), model, routing_key=key)
    assert reply.code == "INVALID_ARGUMENT"
    assert "parameter 'routing_key' is" in reply.error and "expected a text of 1 to 256 bytes in UTF-8" in reply.error


def test_a_release_can_be_asked_for_if_it_is_open(routed, keyed_rows, keyed_spec):
    routed.put_in_force(trial_route(share=0.5, shadow=100, salt="aaaa0003"))
    for model, build in (("ctr", packed), ("ctr_by_name", by_name)):
        for release in (1, 2):
            reply = over_grpc(routed.server, build(keyed_rows[:2], keyed_spec), model, release=release)
            assert reply.version.tolist() == [release, release]
        refused = over_grpc(routed.server, build(keyed_rows[:1], keyed_spec), model, release=7)
        assert (refused.code, refused.error) == ("INVALID_ARGUMENT", "release 7 is not open; open are 1, 2")
    found = [entry for entry in routed.entries() if entry["id"] == reply.prediction_id]
    assert [(e["arm"], e["release"], e["status"], e["flags"]) for e in found] == [(0, 2, 0, 2)]
    for none in ("2", 0, True):
        refused = over_grpc(routed.server, packed(keyed_rows[:1], keyed_spec), release=none)
        assert refused.code == "INVALID_ARGUMENT" and "expected the number of a release that is open" in refused.error


def test_raising_the_share_moves_keys_one_way_only(routed, keyed_rows, keyed_spec):
    tensors = packed(keyed_rows[:1], keyed_spec)
    arms = []
    for share in (0, 10, 50, 100):
        routed.put_in_force(trial_route(share=share, salt="aaaa0004"))
        arms.append([int(over_grpc(routed.server, tensors, routing_key=f"k{i}").version[0]) for i in range(40)])
    assert [sum(version == 2 for version in of_share) for of_share in arms][::3] == [0, 40]
    for lower, higher in pairwise(arms):
        assert all(b == 2 for a, b in zip(lower, higher, strict=True) if a == 2)
    assert arms[1].count(2) < arms[2].count(2)


def test_who_has_no_key_gets_the_champion_and_is_counted(routed, keyed_rows, keyed_spec):
    route = trial_route(share=100, salt="aaaa0005")
    routed.put_in_force(route)
    before = routed.metric("adclick_unkeyed_total"), routed.metric("adclick_routed_total", arm="none")
    nobody = keyed_rows[:1].with_columns(user=keyed_rows["user"][:1].replace_strict(keyed_rows["user"][0], ""))
    reply = over_grpc(routed.server, packed(nobody, keyed_spec))
    if reply.code == "INVALID_ARGUMENT":  # the column must not be missing; the key is what this is about
        assert "user" in reply.error
    wait_for(lambda: routed.metric("adclick_unkeyed_total") == before[0] + 1, 5, "it is counted")
    assert routed.metric("adclick_routed_total", arm="none") == before[1] + 1


def test_a_broken_file_leaves_the_route_before_in_force(routed, keyed_rows, keyed_spec):
    route = trial_route(share=100, salt="aaaa0006")
    routed.put_in_force(route)
    before = routed.metric("adclick_route_broken_total")
    routed.write("format 1\nchampion 12\nmode of")
    wait_for(lambda: routed.metric("adclick_route_broken_total") == before + 1, 5, "it is counted")
    assert ask(routed, keyed_rows[:1], keyed_spec).version[0] == 2
    time.sleep(1)
    assert routed.metric("adclick_route_broken_total") == before + 1
    assert routed.log().count("line 3: expected 'mode off|shadow|canary|ab', got 'mode of'") == 1
    other = Route(champion=1, mode="ab", trial=route.trial.__class__(**{**vars(route.trial), "challenger": 77}))
    routed.write(other)
    wait_for(lambda: routed.metric("adclick_route_broken_total") == before + 2, 5, "it is counted")
    assert ask(routed, keyed_rows[:1], keyed_spec).version[0] == 2
    assert "release 77 cannot be opened: there is no" in routed.log()
    assert [event["event"] for event in routed.events("broken_route")] == ["broken_route"] * 2
    routed.put_in_force(trial_route(share=100, salt="aaaa0007"))


def test_when_it_is_not_renewed_all_goes_to_the_champion_and_back_when_it_is(routed, keyed_rows, keyed_spec):
    routed.put_in_force(trial_route(share=100, salt="aaaa0008", valid_s=1.5))
    assert ask(routed, keyed_rows[:1], keyed_spec).version[0] == 2
    wait_for(lambda: ask(routed, keyed_rows[:1], keyed_spec).version[0] == 1, 3, "it lapses")
    last = ask(routed, keyed_rows[:1], keyed_spec)
    entry = next(entry for entry in routed.entries() if entry["id"] == last.prediction_id)
    assert (entry["arm"], entry["flags"], entry["release"]) == (0, 4, 1)
    wait_for(lambda: routed.metric("adclick_challenger_open") == 0, 5, "it is seen")
    routed.put_in_force(trial_route(share=100, salt="aaaa0008"))
    assert ask(routed, keyed_rows[:1], keyed_spec).version[0] == 2
    assert [event["event"] for event in routed.events() if event["event"] in ("lapsed", "renewed")] == ["lapsed", "renewed"]


def test_a_route_that_changes_under_load_fails_no_request(routed, keyed_rows, keyed_spec):
    """Each answer is that of the route before or after, for its user."""
    routes = [trial_route(share=share, salt="aaaa0009") for share in (20, 80)]
    routed.put_in_force(routes[0])
    with load(routed.server, keyed_rows, keyed_spec, clients=6) as asked:
        for turn in range(20):
            routed.write(routes[turn % 2])
            time.sleep(0.25)
    assert dict(asked.reasons) == {} and not asked.wrong
    assert Counter(asked.versions()).keys() == {1, 2}
    assert routed.metric("adclick_fallback_total") == 0


def test_who_challenges_no_more_is_closed(routed, keyed_rows, keyed_spec):
    routed.put_in_force(trial_route(share=100, salt="aaaa0010"))
    routed.put_in_force(Route(champion=1), is_on=False)
    wait_for(lambda: routed.events("closed"), 5, "release 2 is closed")
    assert routed.events("closed")[-1]["release"] == 2
    refused = over_grpc(routed.server, packed(keyed_rows[:1], keyed_spec), release=2)
    assert refused.error == "release 2 is not open; open are 1"
    reply = ask(routed, keyed_rows[:1], keyed_spec, routing_key="k")
    entry = next(entry for entry in routed.entries() if entry["id"] == reply.prediction_id)
    assert (entry["arm"], entry["bucket"], entry["route"]) == (0, None, Route(champion=1).digest)
    routed.put_in_force(Route(champion=2), is_on=False)
    assert ask(routed, keyed_rows[:1], keyed_spec).version[0] == 2
    routed.path.unlink()
    wait_for(lambda: ask(routed, keyed_rows[:1], keyed_spec).version[0] == 1, 3, "the loaded one answers where there is no route")
