"""The same rows as each server wants them on the wire: prepared once, so that the load generators only send."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http

from contracts.serving.packed_text import SEPARATORS, text_of
from contracts.serving.request import CATEGORICAL, NUMERIC
from loadtests.peers.servers.raw_layout import COUNT_BYTES, pack
from loadtests.requests.traffic import Payload
from serving.client.protocols import HEADER_LENGTH, infer_inputs, parameters

JSON_TYPE, BYTES_TYPE = "application/json", "application/octet-stream"
GRPC_FRAME = 5  # bytes before each message: compressed or not, and the length
Bodies = Callable[[Payload, str], "Body"]  # of a payload and the declaration's digest


@dataclass(frozen=True, kw_only=True)
class Body:
    """What is sent for one request."""

    content: bytes
    headers: dict[str, str] = field(default_factory=dict)


def json_rows(payload: Payload, digest: str) -> Body:
    """{"categorical": [[...]], "numeric": [[...]]}, a row a list."""
    return _json({"categorical": payload.categorical_NC.tolist(), "numeric": _numbers(payload)})


def json_records(payload: Payload, digest: str) -> Body:
    """{"rows": [{"categorical": [...], "numeric": [...]}, ...]}"""
    rows = zip(payload.categorical_NC.tolist(), _numbers(payload), strict=True)
    return _json({"rows": [{"categorical": texts, "numeric": numbers} for texts, numbers in rows]})


def json_open_inference(payload: Payload, digest: str) -> Body:
    """The Open Inference Protocol in JSON, data flat."""
    flat = {CATEGORICAL: payload.categorical_NC.ravel().tolist(), NUMERIC: [v for row in _numbers(payload) for v in row]}
    inputs = [
        {"name": name, "datatype": kind, "shape": list(values.shape), "data": flat[name]}
        for name, (kind, values) in payload.tensors.items()
    ]
    return _json({"inputs": inputs})


def raw(payload: Payload, digest: str) -> Body:
    columns = pack(payload.categorical_NC.T, payload.numeric_NM.T)
    return Body(content=columns, headers={"Content-Type": BYTES_TYPE})


def packed(payload: Payload, digest: str) -> Body:
    """The raw layout for `ctr_packed.onnx`: rows of numbers, then the text as the graph reads it."""
    count = len(payload.rows_N).to_bytes(COUNT_BYTES, "little")
    numbers = np.ascontiguousarray(payload.numeric_NM, dtype="<f4").tobytes()
    text = text_of(payload.categorical_NC, SEPARATORS[0])
    return Body(content=count + numbers + text.encode(), headers={"Content-Type": BYTES_TYPE})


def text_rows(payload: Payload, digest: str) -> Body:
    """{"text": "...", "numeric": [[...]]}: what `ctr_packed.onnx` reads."""
    return _json({"text": text_of(payload.categorical_NC, SEPARATORS[0]), "numeric": _numbers(payload)})


def text_open_inference(payload: Payload, digest: str) -> Body:
    """The same in the Open Inference Protocol."""
    text = {"name": "text", "datatype": "BYTES", "shape": [1], "data": [text_of(payload.categorical_NC, SEPARATORS[0])]}
    flat = [value for row in _numbers(payload) for value in row]
    return _json({"inputs": [text, {"name": NUMERIC, "datatype": "FP32", "shape": [*payload.numeric_NM.shape], "data": flat}]})


def binary_open_inference(payload: Payload, digest: str) -> Body:
    """The Open Inference Protocol with binary tensors, as CtrClient sends it: both outputs, the declaration's digest."""
    inputs = infer_inputs(triton_http.InferInput, _arrays(payload))
    content, length = triton_http.InferenceServerClient.generate_request_body(inputs, parameters=parameters(digest))
    return Body(content=content, headers={"Content-Type": BYTES_TYPE, HEADER_LENGTH: str(length)})


def grpc_message(payload: Payload, digest: str, model: str = "ctr") -> Body:
    """The Open Inference Protocol over gRPC as CtrClient sends it: one ModelInferRequest."""
    inputs = infer_inputs(triton_grpc.InferInput, _arrays(payload))
    request = triton_grpc.service_pb2.ModelInferRequest(model_name=model)
    for value in inputs:
        request.inputs.append(value._get_tensor())
        request.raw_input_contents.append(value._get_content())
    for name, value in parameters(digest).items():
        request.parameters[name].string_param = value
    return Body(content=request.SerializeToString())


def framed(message: bytes) -> bytes:
    """A gRPC message as HTTP/2 carries it: not compressed."""
    return b"\0" + len(message).to_bytes(GRPC_FRAME - 1, "big") + message


def probabilities_json(answer: bytes) -> np.ndarray:
    """float32 [N] of {"probability": [...]}, or of a bare list."""
    found = json.loads(answer)
    return np.array(found["probability"] if isinstance(found, dict) else found, dtype=np.float32)


def probabilities_open_inference(answer: bytes) -> np.ndarray:
    outputs = {output["name"]: output["data"] for output in json.loads(answer)["outputs"]}
    return np.array(outputs["probability"], dtype=np.float32).ravel()


def probabilities_binary(answer: bytes) -> np.ndarray:
    """float32 [N] of an answer with binary tensors: JSON that ends with its outermost brace, then the tensors in its order."""
    header, end = json.JSONDecoder().raw_decode(answer.decode("latin-1"))
    for output in header["outputs"]:
        size = output["parameters"]["binary_data_size"]
        if output["name"] == "probability":
            return np.frombuffer(answer, "<f4", size // 4, end)
        end += size
    raise ValueError("the answer holds no output 'probability'")


def probabilities_raw(answer: bytes) -> np.ndarray:
    return np.frombuffer(answer, dtype="<f4")


def probabilities_grpc(answer: bytes) -> np.ndarray:
    """float32 [N] of a ModelInferResponse, with raw contents or typed ones."""
    response = triton_grpc.service_pb2.ModelInferResponse.FromString(answer)
    place = [output.name for output in response.outputs].index("probability")
    if response.raw_output_contents:
        return np.frombuffer(response.raw_output_contents[place], dtype="<f4")
    return np.array(response.outputs[place].contents.fp32_contents, dtype=np.float32)


def _numbers(payload: Payload) -> list[list[float | None]]:
    """The shortest decimals that give the same float32, None for a missing number."""
    return [[None if np.isnan(v) else float(str(v)) for v in row] for row in payload.numeric_NM]


def _arrays(payload: Payload) -> dict[str, np.ndarray]:
    return {name: values for name, (_, values) in payload.tensors.items()}


def _json(value: dict) -> Body:
    return Body(content=json.dumps(value, separators=(",", ":")).encode(), headers={"Content-Type": JSON_TYPE})
