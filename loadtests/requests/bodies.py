"""A request as bytes, for each way to send it. Made once and sent many times, so that the client costs little.

A request that is to be refused may lack tensors or hold bytes that are no text, so nothing is checked here.
"""

import json
import struct
from typing import Any

import numpy as np
from tritonclient.grpc import service_pb2

from loadtests.requests.prepared_request import Tensors

MODEL = "ctr"
HEADER_LENGTH = "Inference-Header-Content-Length"


def grpc_body(tensors: Tensors, digest: str) -> tuple[bytes, int]:
    """A serialised ModelInferRequest, and 0: it has no header of its own."""
    request = service_pb2.ModelInferRequest(model_name=MODEL)
    request.parameters["declaration"].string_param = digest
    for name, (datatype, values) in tensors.items():
        request.inputs.add(name=name, datatype=datatype, shape=values.shape)
        request.raw_input_contents.append(_content(values))
    return request.SerializeToString(), 0


def binary_body(tensors: Tensors, digest: str) -> tuple[bytes, int]:
    """An HTTP body with Triton's binary tensors behind a JSON header, and the header's length."""
    contents = [_content(values) for _, values in tensors.values()]
    inputs = [
        _tensor_heads(name, *tensor) | {"parameters": {"binary_data_size": len(content)}}
        for (name, tensor), content in zip(tensors.items(), contents, strict=True)
    ]
    header = json.dumps({"inputs": inputs, "parameters": {"declaration": digest, "binary_data_output": True}}).encode()
    return header + b"".join(contents), len(header)


def json_body(tensors: Tensors, digest: str) -> tuple[bytes, int]:
    """An HTTP body in JSON alone, as curl sends it, and 0. Python and Triton both write a missing number as NaN."""
    inputs = [_tensor_heads(name, *tensor) | {"data": _plain(tensor[1])} for name, tensor in tensors.items()]
    return json.dumps({"inputs": inputs, "parameters": {"declaration": digest}}).encode(), 0


BODIES = {"grpc": grpc_body, "http_binary": binary_body, "http_json": json_body}


def fits_json(tensors: Tensors) -> bool:
    """Can JSON carry these values: it has no bytes, so no images and no text that is not UTF-8."""
    strings = (values.ravel() for _, values in tensors.values() if values.dtype == object)
    return all(isinstance(value, str) for column in strings for value in column)


def _tensor_heads(name: str, datatype: str, values: np.ndarray) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": list(values.shape)}


def _content(values: np.ndarray) -> bytes:
    if values.dtype != object:
        return np.ascontiguousarray(values).tobytes()
    encoded = (value.encode() if isinstance(value, str) else value for value in values.ravel())
    return b"".join(struct.pack("<I", len(value)) + value for value in encoded)


def _plain(values: np.ndarray) -> list[Any]:
    return values.ravel().tolist()
