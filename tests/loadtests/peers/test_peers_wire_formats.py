"""Every format carries the same rows: what a server reads from it is what the traffic holds."""

import json

import numpy as np
import pytest
import tritonclient.grpc as triton_grpc

from loadtests.peers import wire_formats as wire
from loadtests.peers.servers.raw_layout import SEPARATOR, pack, unpack
from tests.loadtests.peer_world import all_rows

TEXTS = [["news", "tv"], ["gry é", "tablet"], ["", "tv"], ['say "hi"', "phone"]]
NUMBERS = [[31.0, 0.052], [None, 1.5], [7.0, 0.7], [18.0, 0.1]]


def test_json_has_rows_as_lists_and_the_shortest_decimals() -> None:
    body = wire.json_rows(all_rows(), "a-digest")
    assert json.loads(body.content) == {"categorical": TEXTS, "numeric": NUMBERS}
    assert b"0.052" in body.content and body.headers == {"Content-Type": "application/json"}


def test_decimals_give_the_same_float32_back() -> None:
    found = np.array(json.loads(wire.json_rows(all_rows(), "").content)["numeric"], dtype=np.float32)
    np.testing.assert_array_equal(found, all_rows().numeric_NM)


def test_records_hold_one_object_a_row() -> None:
    rows = json.loads(wire.json_records(all_rows(), "").content)["rows"]
    assert rows[1] == {"categorical": ["gry é", "tablet"], "numeric": [None, 1.5]} and len(rows) == 4


def test_open_inference_json_is_flat_and_says_its_shapes() -> None:
    inputs = json.loads(wire.json_open_inference(all_rows(), "").content)["inputs"]
    assert [(one["name"], one["datatype"], one["shape"]) for one in inputs] == [
        ("categorical", "BYTES", [4, 2]),
        ("numeric", "FP32", [4, 2]),
    ]
    assert inputs[0]["data"] == [text for row in TEXTS for text in row]
    assert inputs[1]["data"] == [number for row in NUMBERS for number in row]


def test_raw_layout_is_read_back_as_it_was_written() -> None:
    body = wire.raw(all_rows(), "").content
    strings_CN, numbers_MN = unpack(body, 2, 2)
    assert strings_CN.tolist() == [list(column) for column in zip(*TEXTS, strict=True)]
    np.testing.assert_array_equal(numbers_MN, all_rows().numeric_NM.T)
    assert body[:4] == b"\x04\0\0\0" and len(body) == 4 + 4 * 8 + len("\x1f".join(strings_CN.ravel()).encode())


def test_raw_layout_refuses_a_string_that_holds_its_separator() -> None:
    with pytest.raises(ValueError, match="U[+]001F"):
        pack(np.array([[f"a{SEPARATOR}b"]], dtype=object), np.zeros((1, 1), dtype=np.float32))


def test_packed_body_is_rows_of_numbers_and_the_text_of_the_packed_graph() -> None:
    body = wire.packed(all_rows(), "").content
    np.testing.assert_array_equal(np.frombuffer(body, "<f4", 8, 4).reshape(4, 2), all_rows().numeric_NM)
    found = [part[2:] for part in body[4 + 4 * 8 :].decode().split("\x1f\x1f")[1:]]  # behind two digits of the column
    assert found == [text for row in TEXTS for text in row]


def test_binary_body_says_where_its_json_ends_and_names_the_declaration() -> None:
    body = wire.binary_open_inference(all_rows(), "a-digest")
    end = int(body.headers["Inference-Header-Content-Length"])
    header = json.loads(body.content[:end])
    assert header["parameters"]["declaration"] == "a-digest"
    sizes = [one["parameters"]["binary_data_size"] for one in header["inputs"]]
    assert end + sum(sizes) == len(body.content) and sizes[1] == 4 * 8


def test_grpc_message_holds_the_tensors_raw() -> None:
    message = triton_grpc.service_pb2.ModelInferRequest.FromString(wire.grpc_message(all_rows(), "a-digest").content)
    assert message.model_name == "ctr" and message.parameters["declaration"].string_param == "a-digest"
    assert [(one.name, one.datatype, list(one.shape)) for one in message.inputs] == [
        ("categorical", "BYTES", [4, 2]),
        ("numeric", "FP32", [4, 2]),
    ]
    np.testing.assert_array_equal(np.frombuffer(message.raw_input_contents[1], "<f4").reshape(4, 2), all_rows().numeric_NM)


def test_frame_says_that_it_is_not_compressed_and_how_long_it_is() -> None:
    assert wire.framed(b"abc") == b"\x00\x00\x00\x00\x03abc"


def test_answers_of_every_format_are_read() -> None:
    wanted = np.array([0.25, 0.5], dtype=np.float32)
    np.testing.assert_array_equal(wire.probabilities_json(b'{"probability": [0.25, 0.5]}'), wanted)
    np.testing.assert_array_equal(wire.probabilities_json(b"[0.25, 0.5]"), wanted)
    np.testing.assert_array_equal(wire.probabilities_raw(wanted.tobytes()), wanted)
    answer = {"outputs": [{"name": "probability", "shape": [2, 1], "data": [0.25, 0.5]}]}
    np.testing.assert_array_equal(wire.probabilities_open_inference(json.dumps(answer).encode()), wanted)


def test_binary_answer_is_cut_at_the_output_that_is_asked_for() -> None:
    versions, wanted = np.array([7, 7], dtype=np.int64), np.array([0.25, 0.5], dtype=np.float32)
    outputs = [
        {"name": "model_version", "parameters": {"binary_data_size": 16}},
        {"name": "probability", "parameters": {"binary_data_size": 8}},
    ]
    answer = json.dumps({"outputs": outputs}).encode() + versions.tobytes() + wanted.tobytes()
    np.testing.assert_array_equal(wire.probabilities_binary(answer), wanted)


@pytest.mark.parametrize("raw", [True, False])
def test_grpc_answer_is_read_with_raw_and_with_typed_contents(raw: bool) -> None:
    wanted = np.array([0.25, 0.5], dtype=np.float32)
    answer = triton_grpc.service_pb2.ModelInferResponse()
    answer.outputs.add(name="model_version", datatype="INT64", shape=[2, 1])
    answer.outputs.add(name="probability", datatype="FP32", shape=[2, 1])
    if raw:
        answer.raw_output_contents.extend([b"\0" * 16, wanted.tobytes()])
    else:
        answer.outputs[1].contents.fp32_contents.extend(wanted.tolist())
    np.testing.assert_array_equal(wire.probabilities_grpc(answer.SerializeToString()), wanted)
