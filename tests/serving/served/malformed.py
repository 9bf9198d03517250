"""Requests that are wrong in any way that Hypothesis finds: tensors, values, JSON, bytes that are no request at all.

Left out is what is known to end Triton 2.51 whatever the model does: JSON that announces tensors larger than memory or is
nested a million deep, and shapes of more than 2^62 bytes.
"""

import json
import struct
from dataclasses import dataclass
from typing import Any

import grpc
import urllib3
from hypothesis import strategies as st
from tritonclient.grpc import service_pb2

from tests.serving.doors import CODES

METHOD = "/inference.GRPCInferenceService/ModelInfer"
TIMEOUT_S = 20
NAMES = ["categorical", "numeric", "creative_image", "site", "probability", "", "x" * 300]
DTYPES = ["FP32", "BYTES", "INT64", "FP64", "FP16", "BF16", "BOOL", "UINT8", "INT32", "FP99", ""]
STRINGS = [b"", b"site 1", b"ad1", b"1", b"-1", b"NA", b"\xff", b"\0", b"x" * 2000, b"9" * 400, b"1e400", "ä".encode(), b"nan"]
MAGIC = [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b""]
WIDTHS = {"categorical": 3, "numeric": 1}  # of the small model


@dataclass(frozen=True)
class Sent:
    """What goes over a door: a body, for gRPC a serialised request, and HTTP headers."""

    door: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


Tensor = tuple[str, str, list[int], bytes]  # name, datatype, shape, content


def packed_strings(values: list[bytes]) -> bytes:
    return b"".join(struct.pack("<I", len(value)) + value for value in values)


@st.composite
def any_tensors(draw: st.DrawFn) -> list[Tensor]:
    """Tensors of which nothing need fit together."""
    found = []
    for _ in range(draw(st.integers(0, 3))):
        shape = draw(st.lists(st.sampled_from([0, 1, 1, 1, 2, 3, 4, -1, 2000]), max_size=4))
        if draw(st.integers(0, 9)) == 0:
            shape = [1, 2**31 - 1]
        content = draw(st.binary(max_size=8)) * draw(st.sampled_from([0, 1, 1, 3, 500]))
        if draw(st.booleans()):
            content = packed_strings(draw(st.lists(st.sampled_from(STRINGS), max_size=4)))
        found.append((draw(st.sampled_from(NAMES)), draw(st.sampled_from(DTYPES)), shape, content))
    return found


@st.composite
def fitting_tensors(draw: st.DrawFn) -> list[Tensor]:
    """Tensors as the model takes them, with any values."""
    rows = draw(st.integers(1, 3))
    texts = st.sampled_from(STRINGS) | st.binary(max_size=6)
    strings = draw(st.lists(texts, min_size=3 * rows, max_size=3 * rows))
    numbers = draw(st.lists(st.floats(width=32) | st.sampled_from([30.0]), min_size=rows, max_size=rows))
    found = [
        ("categorical", "BYTES", [rows, 3], packed_strings(strings)),
        ("numeric", "FP32", [rows, 1], struct.pack(f"<{rows}f", *numbers)),
    ]
    if draw(st.booleans()):
        image = st.tuples(st.sampled_from(MAGIC), st.binary(max_size=20)).map(b"".join)
        found.append(("creative_image", "BYTES", [rows, 1], packed_strings(draw(st.lists(image, min_size=rows, max_size=rows)))))
    return found


def as_grpc(tensors: list[Tensor]) -> Sent:
    request = service_pb2.ModelInferRequest(model_name="ctr")
    for name, datatype, shape, content in tensors:
        request.inputs.add(name=name, datatype=datatype, shape=shape)
        request.raw_input_contents.append(content)
    return Sent("grpc", request.SerializeToString())


def as_http(tensors: list[Tensor]) -> Sent:
    inputs = [
        {"name": name, "datatype": datatype, "shape": shape, "parameters": {"binary_data_size": len(content)}}
        for name, datatype, shape, content in tensors
    ]
    header = json.dumps({"inputs": inputs}).encode()
    body = header + b"".join(content for *_, content in tensors)
    return Sent("http", body, (("Inference-Header-Content-Length", str(len(header))),))


def as_json(value: Any) -> Sent:
    return Sent("http", json.dumps(value).encode())


LEAVES = st.none() | st.booleans() | st.integers(-5, 30) | st.floats() | st.text(max_size=5) | st.sampled_from(DTYPES)
ANY_JSON = st.recursive(
    LEAVES, lambda part: st.lists(part, max_size=4) | st.dictionaries(st.text(max_size=3), part, max_size=3), max_leaves=8
)
PARTS = {"name": st.sampled_from(NAMES), "datatype": st.sampled_from(DTYPES)}
TENSOR_JSON = st.fixed_dictionaries({}, optional=PARTS | dict.fromkeys(("shape", "data", "parameters"), ANY_JSON))
REQUEST_JSON = st.fixed_dictionaries(
    {"inputs": st.lists(TENSOR_JSON, max_size=3) | ANY_JSON},
    optional={"outputs": ANY_JSON, "parameters": ANY_JSON, "id": ANY_JSON},
)
LENGTHS = st.sampled_from(["-1", "0", "7", "99999999999999999999", "x", ""])
GARBAGE = st.binary(max_size=60)

MALFORMED = st.one_of(
    any_tensors().map(as_grpc),
    any_tensors().map(as_http),
    fitting_tensors().map(as_grpc),
    fitting_tensors().map(as_http),
    REQUEST_JSON.map(as_json),
    ANY_JSON.map(as_json),
    GARBAGE.map(lambda body: Sent("grpc", body)),
    st.builds(lambda body, length: Sent("http", body, (("Inference-Header-Content-Length", length),)), GARBAGE, LENGTHS),
)


@dataclass
class MalformedSender:
    """Both doors of a server, kept open."""

    channel: grpc.Channel
    pool: urllib3.HTTPConnectionPool

    def send(self, what: Sent) -> tuple[str, str]:
        """Code and text of the answer."""
        if what.door == "http":
            answer = self.pool.request("POST", "/v2/models/ctr/infer", body=what.body, headers=dict(what.headers))
            return CODES.get(answer.status, str(answer.status)), json.loads(answer.data).get("error", "")
        try:
            self.channel.unary_unary(METHOD)(what.body, timeout=TIMEOUT_S)
        except grpc.RpcError as error:
            return error.code().name, error.details()
        return "OK", ""
