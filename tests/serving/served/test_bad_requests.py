"""A request of the wrong make is refused whole: tensors, shapes, types, batch sizes, declaration, JSON.

What Triton refuses by itself it words itself; then the status counts, and that the text gives nothing away.
"""

import json

import numpy as np
import pytest

from contracts.serving.request import CATEGORICAL, IMAGE, NUMERIC
from tests.serving.doors import DOORS, INNER_WORDS, by_name, packed, post, refusal

pytestmark = pytest.mark.triton
BOTH = ["grpc", "http"]
TEXTS = "BYTES [rows, 5]: site, device, ad, view and 1 more"
FLOATS = "FP32 [rows, 4]: age, visits, spent, constant"


@pytest.fixture
def good(strict_rows, strict_spec):
    return packed(strict_rows[:3], strict_spec)


@pytest.fixture
def named(strict_rows, strict_spec):
    return by_name(strict_rows[:3], strict_spec)


def tensor_json(shape: list[int], data: list, datatype: str = "FP32") -> bytes:
    return json.dumps({"inputs": [{"name": "numeric", "shape": shape, "datatype": datatype, "data": data}]}).encode()


def assert_refused(reply, sentence: str) -> None:
    assert (reply.code, reply.error) == ("INVALID_ARGUMENT", sentence)


def assert_refused_by_triton(reply, words: str) -> None:
    assert reply.code == "INVALID_ARGUMENT", reply
    assert words in reply.error
    assert not INNER_WORDS.search(reply.error)


def assert_wrong_shape(reply, name: str, shape: list[int]) -> None:
    """In our words or in Triton's, whichever of the two looks first."""
    assert_refused_by_triton(reply, f"input '{name}'")
    assert "shape" in reply.error
    assert str(shape) in reply.error or str(shape).replace(" ", "") in reply.error


@pytest.mark.parametrize("door", DOORS)
def test_a_missing_tensor_is_named_with_what_it_holds(strict_server, good, door):
    without = {name: values for name, values in good.items() if name != CATEGORICAL}
    assert_refused(DOORS[door](strict_server, without), f"input 'categorical' is missing; send {TEXTS}")
    without = {name: values for name, values in good.items() if name != NUMERIC}
    assert_refused(DOORS[door](strict_server, without), f"input 'numeric' is missing; send {FLOATS}")


@pytest.mark.parametrize("door", DOORS)
def test_a_missing_column_is_named(strict_server, named, door):
    for column, kind in (("device", "BYTES"), ("age", "FP32")):
        without = {name: values for name, values in named.items() if name != column}
        reply = DOORS[door](strict_server, without, "ctr_by_name")
        assert_refused(reply, f"input '{column}' is missing; send {kind} [rows, 1]")


@pytest.mark.parametrize("door", DOORS)
def test_a_column_that_the_model_does_not_use_may_be_left_out(strict_server, named, door):
    whole = DOORS[door](strict_server, named, "ctr_by_name")
    named.pop("constant")
    assert DOORS[door](strict_server, named, "ctr_by_name").probability.tolist() == whole.probability.tolist()


@pytest.mark.parametrize("door", DOORS)
def test_a_tensor_of_the_wrong_width_is_refused_with_its_shape(strict_server, good, named, door):
    ask = DOORS[door]
    assert_wrong_shape(ask(strict_server, good | {NUMERIC: good[NUMERIC][:, :3]}), NUMERIC, [3, 3])
    wide = np.hstack([good[CATEGORICAL]] * 2)
    assert_wrong_shape(ask(strict_server, good | {CATEGORICAL: wide}), CATEGORICAL, [3, 10])
    two = np.full((3, 2), b"", dtype=object)
    assert_wrong_shape(ask(strict_server, good | {IMAGE: two}), IMAGE, [3, 2])
    assert_wrong_shape(ask(strict_server, named | {IMAGE: two}, "ctr_by_name"), IMAGE, [3, 2])
    assert_wrong_shape(ask(strict_server, named | {"age": np.hstack([named["age"]] * 2)}, "ctr_by_name"), "age", [3, 2])


@pytest.mark.parametrize("door", BOTH)
@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        (NUMERIC, lambda values: values[:, 0], "unexpected shape for input 'numeric' for model 'ctr'"),
        (NUMERIC, lambda values: values[:, :, None], "unexpected shape for input 'numeric' for model 'ctr'"),
        (NUMERIC, lambda values: values[:2], "batch size does not match other inputs for 'ctr'"),
        (NUMERIC, lambda values: values.astype(np.float64), "data-type is 'FP64', but model 'ctr' expects 'FP32'"),
        (CATEGORICAL, lambda values: np.zeros(values.shape, np.int64), "data-type is 'INT64', but model 'ctr' expects"),
    ],
)
def test_triton_refuses_shapes_and_types_that_the_config_does_not_know(strict_server, good, door, name, change, words):
    assert_refused_by_triton(DOORS[door](strict_server, good | {name: change(good[name])}), words)


@pytest.mark.parametrize("door", DOORS)
def test_a_tensor_of_another_name_is_refused(strict_server, good, door):
    assert_refused_by_triton(DOORS[door](strict_server, good | {"numerics": good[NUMERIC]}), "'numerics'")


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("model", ["ctr", "ctr_by_name"])
def test_a_batch_over_the_limit_is_refused(strict_server, strict_rows, strict_spec, door, model):
    rows = strict_rows[[0] * 65]
    tensors = packed(rows, strict_spec) if model == "ctr" else by_name(rows, strict_spec)
    assert_refused_by_triton(DOORS[door](strict_server, tensors, model), f"batch-size must be <= 64 for '{model}'")


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("model", ["ctr", "ctr_by_name"])
def test_an_empty_batch_is_refused(strict_server, strict_rows, strict_spec, door, model):
    tensors = packed(strict_rows[:1], strict_spec) if model == "ctr" else by_name(strict_rows[:1], strict_spec)
    empty = {name: values[:0] for name, values in tensors.items()}
    assert_refused_by_triton(DOORS[door](strict_server, empty, model), "input byte size mismatch for input")


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("model", ["ctr", "ctr_by_name"])
def test_a_request_made_for_another_declaration_is_refused(strict_server, strict_spec, strict_rows, door, model):
    tensors = packed(strict_rows[:3], strict_spec) if model == "ctr" else by_name(strict_rows[:3], strict_spec)
    assert DOORS[door](strict_server, tensors, model, declaration=strict_spec.digest).code == "OK"
    reply = DOORS[door](strict_server, tensors, model, declaration="0123456789abcdef")
    assert_refused(
        reply,
        f"the request was made for another declaration (0123456789ab), this model takes {strict_spec.digest[:12]}; "
        "read the order of columns from the model's parameters and build the request anew",
    )


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "Raw request must only have 1 input"),
        (b"{", "failed to parse the request JSON buffer"),
        (b"\xff\xfe\x00", "failed to parse the request JSON buffer"),
        (b"[" * 10_000, "failed to parse the request JSON buffer"),
        (b"null", "Unable to parse 'inputs'"),
        (b"[]", "Unable to parse 'inputs'"),
        (b'"text"', "Unable to parse 'inputs'"),
        (b'{"inputs": 5}', "Unable to parse 'inputs'"),
        (b'{"inputs": [{}]}', "Input must set only one of the following fields"),
        (tensor_json([1, 4], ["a", {}, [], None]), "Unable to parse 'data'"),
        (tensor_json([1, 4], [1, 2, 3]), "Unable to parse 'data': Shape does not match true shape of 'data' field"),
        (tensor_json([1, -4], [1, 2, 3, 4]), "Unable to parse 'shape'"),
        (tensor_json([1, 2**70], [1]), "Unable to parse 'shape'"),
        (tensor_json([1, 4], [1, 2, 3, 4], "FP99"), "invalid datatype for input numeric"),
    ],
)
def test_json_that_is_no_request_is_refused_in_tritons_words(strict_server, body, words):
    """Triton 2.51 calls some of these INTERNAL, HTTP 500."""
    reply = refusal(post(strict_server, "ctr", body))
    assert reply.code in ("INVALID_ARGUMENT", "INTERNAL")
    assert words in reply.error
    assert not INNER_WORDS.search(reply.error)


@pytest.mark.parametrize("length", [-1, 1000, 10**12])
def test_a_body_that_lies_about_its_header_is_refused(strict_server, length):
    answer = post(strict_server, "ctr", b'{"inputs": []}', {"Inference-Header-Content-Length": str(length)})
    assert_refused_by_triton(refusal(answer), "inference header size should be in range")


@pytest.mark.parametrize(("door", "code"), [("grpc", "NOT_FOUND"), ("http", "NOT_FOUND"), ("json", "NOT_FOUND")])
def test_an_unknown_model_is_not_found(strict_server, good, door, code):
    reply = DOORS[door](strict_server, good, "ctr_too")
    assert (reply.code, reply.error) == (code, "Request for unknown model: 'ctr_too' is not found")


def test_a_shared_memory_region_that_nobody_registered_is_not_found(strict_server):
    tensor = {"name": "numeric", "shape": [1, 4], "datatype": "FP32", "parameters": {"shared_memory_region": "x"}}
    tensor["parameters"]["shared_memory_byte_size"] = 16
    reply = refusal(post(strict_server, "ctr", json.dumps({"inputs": [tensor]}).encode()))
    assert (reply.code, reply.error) == ("NOT_FOUND", "Unable to find shared memory region: 'x'")


@pytest.mark.parametrize("door", DOORS)
def test_too_many_bytes_of_strings_are_refused(strict_server, good, door):
    large = {CATEGORICAL: np.full((64, 5), b"x" * 90, dtype=object), NUMERIC: np.repeat(good[NUMERIC][:1], 64, axis=0)}
    sentence = "input 'categorical' holds 28800 bytes, at most 20000 a request; send fewer rows"
    assert_refused(DOORS[door](strict_server, large), sentence)
