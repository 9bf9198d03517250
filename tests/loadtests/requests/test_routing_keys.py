"""Whose a request is stands in its bytes, in each of the server's languages; users are simulated where requests do not say."""

import json
import random
from dataclasses import replace

import numpy as np
import pytest
from tritonclient.grpc import service_pb2

from contracts.serving.request import CATEGORICAL, NUMERIC
from loadtests.requests.bodies import BODIES
from loadtests.requests.keys import entity_place, of_user, read_keys, sent_keys, simulated_keys, with_parameter, write_keys
from loadtests.requests.pool import Pool, read_pool, write_pool
from loadtests.requests.prepare import good_requests, key_places
from loadtests.requests.prepared_request import KINDS, PreparedRequest
from loadtests.requests.right_answers import Drawn, RightAnswers
from loadtests.users.sending import Chooser
from tests.loadtests.requests.test_prepare import spec_of
from tests.stages.pipeline_world import declaration

TENSORS = {
    CATEGORICAL: ("BYTES", np.array([["a", "ü"], ["", "b"]], dtype=object)),
    NUMERIC: ("FP32", np.array([[1.5], [np.nan]], dtype=np.float32)),
}


def request(kind: str, malformed: bool = False) -> PreparedRequest:
    body, header_length = BODIES[kind](TENSORS, "d1")
    expected_N = np.empty(0 if malformed else 2, dtype=np.float32)
    return PreparedRequest(
        kind=kind, malformed=malformed, num_rows=2, header_length=header_length, body=body, expected_N=expected_N
    )


def parameters(sent: PreparedRequest) -> dict:
    if sent.kind == "grpc":
        found = service_pb2.ModelInferRequest.FromString(sent.body).parameters
        return {name: getattr(value, value.WhichOneof("parameter_choice")) for name, value in found.items()}
    return json.loads(sent.body[: sent.header_length or None])["parameters"]


def rest(sent: PreparedRequest) -> object:
    """All but the parameters."""
    if sent.kind == "grpc":
        message = service_pb2.ModelInferRequest.FromString(sent.body)
        message.ClearField("parameters")
        return message.SerializeToString(deterministic=True)
    end = sent.header_length or len(sent.body)
    return repr({**json.loads(sent.body[:end]), "parameters": None}), sent.body[end:]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("name", "value"), [("routing_key", 'ü "user"\\'), ("release", 7)])
def test_a_parameter_more_changes_nothing_else(kind, name, value):
    before = request(kind)
    after = with_parameter(before, name, value)
    assert parameters(after) == parameters(before) | {name: value} and parameters(before)["declaration"] == "d1"
    assert rest(after) == rest(before)
    again = with_parameter(after, "other", "x")
    assert parameters(again) == parameters(after) | {"other": "x"} and rest(again) == rest(before)


@pytest.mark.parametrize("kind", KINDS)
def test_a_request_is_sent_as_one_of_the_simulated_users(kind):
    keys = simulated_keys()
    assert len({*keys.keys}) == len(keys.keys) == 10_000 and keys.by_parameter
    sent = of_user(request(kind), keys, 17)
    assert parameters(sent)["routing_key"] == keys.keys[sent.key] == "load-user-00017"


def chosen(keys, number: int = 2000) -> list[PreparedRequest]:
    pools = {"grpc": Pool(good=[request("grpc")], malformed=[request("grpc", malformed=True)])}
    chooser = Chooser(pools=pools, shares={"grpc": 1.0}, malformed_share=0.1, rng=random.Random(0), keys=keys)
    return [chooser.request("grpc") for _ in range(number)]


def test_good_requests_have_many_users_and_malformed_ones_none():
    found = chosen(simulated_keys())
    assert all((one.key is None) == one.malformed for one in found)
    assert len({one.key for one in found if not one.malformed}) > 1500
    assert {"routing_key" in parameters(one) for one in found if one.malformed} == {False}


def test_without_a_challenger_requests_are_as_they_were_prepared():
    plain = chosen(None)
    assert {one.body for one in plain} == {request("grpc").body} and {one.key for one in plain} == {None}


def with_entity(feature: bool) -> dict:
    values = declaration()
    return {**values, "columns": [c | {"feature": feature} if c["role"] == "entity" else c for c in values["columns"]]}


def test_where_requests_have_the_entity_that_is_whose_they_are(tmp_path):
    assert entity_place(spec_of(with_entity(False))) is None
    spec = spec_of(with_entity(True))
    place = entity_place(spec)
    assert spec.categorical[place].name == "user"
    drawn = []
    for user in ("u1", "", "u2", "u1"):
        texts = np.full((2, len(spec.categorical)), "1", dtype=object)
        texts[:, place] = (user, "u9")  # only the first row counts
        drawn.append(Drawn(tensors={CATEGORICAL: ("BYTES", texts)}, rows_N=np.arange(2), with_image=False))
    assert key_places(tmp_path, drawn, spec) == [0, 1, 2, 0]
    keys = read_keys(tmp_path)
    assert (keys.keys, keys.by_parameter) == (["u1", "", "u2"], False)
    assert sent_keys([drawn[1].tensors], place)[0].keys == [""]


def test_keys_and_the_challengers_answers_are_read_as_they_were_written(tmp_path):
    assert read_keys(tmp_path) is None
    write_keys(tmp_path, simulated_keys())
    assert read_keys(tmp_path) == simulated_keys()
    champion, challenger = np.float32([0.1, 0.2, 0.3, 0.4]), np.float32([0.5, 0.6, 0.7, 0.8])
    drawn = [Drawn(tensors=TENSORS, rows_N=np.arange(2), with_image=False)] * 2
    right = RightAnswers(probability=champion, model_version=1, challenger=challenger)
    good = good_requests(["grpc", "http_json"], drawn, right, "d1", [4, 0])
    write_pool(tmp_path, [*good, request("grpc", malformed=True)])
    pools = read_pool(tmp_path)
    for kind in ("grpc", "http_json"):
        assert [one.expected_N.tolist() for one in pools[kind].good] == [champion[:2].tolist(), champion[2:].tolist()]
        assert [one.challenger_N.tolist() for one in pools[kind].good] == [challenger[:2].tolist(), challenger[2:].tolist()]
        assert [one.key for one in pools[kind].good] == [4, 0]
    assert (pools["grpc"].malformed[0].key, pools["grpc"].malformed[0].challenger_N) == (None, None)


def test_a_pool_without_a_challenger_has_no_more_files_than_before(tmp_path):
    write_pool(tmp_path, [request("grpc"), replace(request("grpc"), malformed=True, expected_N=np.empty(0, np.float32))])
    assert {path.name for path in tmp_path.iterdir()} == {"bodies.bin", "expected.npy", "requests.npy"}
    assert read_pool(tmp_path)["grpc"].good[0].key is None
