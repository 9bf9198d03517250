"""Requests to Triton's two doors, gRPC and HTTP (binary or JSON), built by hand so that they can be wrong as well."""

import json
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import tritonclient.grpc as triton
import urllib3
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from contracts.serving.request import CATEGORICAL, IMAGE, NUMERIC, RequestSpec, numbers, strings
from serving.server.server import TritonServer

Tensors = dict[str, np.ndarray]  # object arrays hold bytes
TIMEOUT_S = 30
CODES = {200: "OK", 400: "INVALID_ARGUMENT", 404: "NOT_FOUND", 500: "INTERNAL", 501: "UNIMPLEMENTED", 503: "UNAVAILABLE"}

INNER_WORDS = re.compile(
    r"Traceback|File \"|\.py\b|python|/(tmp|work|home|root|usr|opt)/|numpy|onnx|could not answer|not healthy", re.IGNORECASE
)  # what no client gets to read


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An answer, or why there is none."""

    code: str  # as gRPC names it
    error: str = ""
    probability: np.ndarray | None = None  # float32 [N]
    version: np.ndarray | None = None  # int64 [N]
    prediction_id: str | None = None


def packed(rows: pl.DataFrame, spec: RequestSpec, images: list[bytes] | None = None) -> Tensors:
    """The two tensors of model `ctr`, and a third if there are images (b"" for none)."""
    found: Tensors = {}
    if spec.categorical:
        found[CATEGORICAL] = np.stack([_bytes(strings(rows[c.name])) for c in spec.categorical], axis=1)
    if spec.numeric:
        found[NUMERIC] = np.stack([numbers(rows[c.name]).to_numpy() for c in spec.numeric], axis=1)
    return found | _image(images)


def by_name(rows: pl.DataFrame, spec: RequestSpec, images: list[bytes] | None = None) -> Tensors:
    """The tensors of model `ctr_by_name`: one a column."""
    texts = {c.name: _bytes(strings(rows[c.name]))[:, None] for c in spec.categorical}
    return texts | {c.name: np.array(numbers(rows[c.name]))[:, None] for c in spec.numeric} | _image(images)


def over_grpc(server: TritonServer, tensors: Tensors, model: str = "ctr", **parameters: Any) -> Reply:
    with triton.InferenceServerClient(server.grpc_url) as client:
        return ask_grpc(client, tensors, model, **parameters)


def ask_grpc(client: triton.InferenceServerClient, tensors: Tensors, model: str = "ctr", **parameters: Any) -> Reply:
    return send_grpc(client, grpc_inputs(tensors), model, **parameters)


def grpc_inputs(tensors: Tensors) -> list[triton.InferInput]:
    """The tensors as they are sent, for whoever sends them often."""
    inputs = []
    for name, values in tensors.items():
        inputs.append(triton.InferInput(name, list(values.shape), np_to_triton_dtype(values.dtype)))
        inputs[-1].set_data_from_numpy(values)
    return inputs


def send_grpc(client: triton.InferenceServerClient, inputs: list[triton.InferInput], model: str, **parameters: Any) -> Reply:
    try:
        answer = client.infer(model, inputs, client_timeout=TIMEOUT_S, parameters=parameters or None)
    except InferenceServerException as error:
        return Reply(code=str(error.status()).removeprefix("StatusCode."), error=error.message())
    ids = answer.as_numpy("prediction_id")
    return Reply(
        code="OK",
        probability=answer.as_numpy("probability")[:, 0],
        version=answer.as_numpy("model_version")[:, 0],
        prediction_id=None if ids is None else ids[0, 0].decode(),
    )


def over_http(server: TritonServer, tensors: Tensors, model: str = "ctr", **parameters: Any) -> Reply:
    """HTTP with Triton's binary tensors."""
    content = [_content(values) for values in tensors.values()]
    inputs = [
        {**_described(name, values), "parameters": {"binary_data_size": len(part)}}
        for (name, values), part in zip(tensors.items(), content, strict=True)
    ]
    header = json.dumps({"inputs": inputs, "parameters": parameters | {"binary_data_output": True}}).encode()
    answer = post(server, model, header + b"".join(content), {"Inference-Header-Content-Length": str(len(header))})
    if answer.status != 200:
        return refusal(answer)
    length = int(answer.headers["Inference-Header-Content-Length"])
    found, start = {}, length
    for output in json.loads(answer.data[:length])["outputs"]:
        end = start + output["parameters"]["binary_data_size"]
        found[output["name"]], start = answer.data[start:end], end
    text = found.get("prediction_id")
    return Reply(
        code="OK",
        probability=np.frombuffer(found["probability"], dtype="<f4"),
        version=np.frombuffer(found["model_version"], dtype="<i8"),
        prediction_id=text and text[4:].decode(),
    )


def over_json(server: TritonServer, tensors: Tensors, model: str = "ctr", **parameters: Any) -> Reply:
    """HTTP with everything in one JSON document, as curl sends it."""
    inputs = [{**_described(name, values), "data": _plain(values)} for name, values in tensors.items()]
    answer = post(server, model, json.dumps({"inputs": inputs, "parameters": parameters}).encode())
    if answer.status != 200:
        return refusal(answer)
    found = {output["name"]: output["data"] for output in json.loads(answer.data)["outputs"]}
    return Reply(
        code="OK",
        probability=np.array(found["probability"], dtype=np.float32),
        version=np.array(found["model_version"], dtype=np.int64),
        prediction_id=found.get("prediction_id", [None])[0],
    )


def post(server: TritonServer, model: str, body: bytes, headers: dict[str, str] | None = None) -> urllib3.BaseHTTPResponse:
    """Triton's answer to a body that need not make sense."""
    url = f"{server.http_url}/v2/models/{model}/infer"
    headers = {"Connection": "close", **(headers or {})}  # Triton waits for open connections when it ends
    with urllib3.PoolManager(retries=False, timeout=TIMEOUT_S) as pool:
        return pool.request("POST", url, body=body, headers=headers)


def refusal(answer: urllib3.BaseHTTPResponse) -> Reply:
    return Reply(code=CODES.get(answer.status, str(answer.status)), error=json.loads(answer.data)["error"])


DOORS: dict[str, Callable[..., Reply]] = {"grpc": over_grpc, "http": over_http, "json": over_json}


def _bytes(values: pl.Series) -> np.ndarray:
    return np.array([value.encode() for value in values], dtype=object)


def _image(images: list[bytes] | None) -> Tensors:
    return {} if images is None else {IMAGE: np.array(images, dtype=object)[:, None]}


def _described(name: str, values: np.ndarray) -> dict[str, Any]:
    return {"name": name, "shape": list(values.shape), "datatype": np_to_triton_dtype(values.dtype)}


def _content(values: np.ndarray) -> bytes:
    if values.dtype != object:
        return np.ascontiguousarray(values).tobytes()
    return b"".join(struct.pack("<I", len(value)) + value for value in values.ravel())


def _plain(values: np.ndarray) -> list[Any]:
    """JSON has text only, so bytes stand for themselves where they are UTF-8."""
    return [value.decode() if isinstance(value, bytes) else value for value in values.ravel().tolist()]
