"""Triton's two doors, gRPC and HTTP, for threads: `tritonclient` with a time-out of each request and our own errors.

HTTP takes from `tritonclient.http` how a request is written and an answer read, but not its connections: those are
gevent's, which break when another thread uses or even only collects them, and know no time-out of a request.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

import numpy as np
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http
import urllib3
from tritonclient.utils import np_to_triton_dtype

from contracts.serving.journal import PREDICTION_ID
from contracts.serving.request import MODEL_VERSION, PROBABILITY
from serving.client.batch import Tensors
from serving.client.errors import ServerFailed
from serving.client.protocol_errors import http_failure, own_errors
from serving.proxies import grpc_options, proxy_variable

DEFAULT_PORTS = {"grpc": 8001, "http": 8000}
GRPC_OPTIONS = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 100),  # gRPC's own second would outlast our first retries
    ("grpc.max_reconnect_backoff_ms", 2000),
]
CONNECTIONS = 64  # that HTTP keeps open
HEADER_LENGTH = "Inference-Header-Content-Length"
Said = Mapping[str, str | int]  # parameters of a request beside its declaration
NOTHING_SAID: Said = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where a model is served."""

    host_port: str
    model: str
    tls: bool = False
    root_certificates: str | None = None  # PEM file; None: those that the system trusts

    def __str__(self) -> str:
        return self.host_port

    @property
    def http_url(self) -> str:
        return f"http{'s' if self.tls else ''}://{self.host_port}"

    @property
    def grpc_options(self) -> list[tuple[str, int]]:
        """Arguments of a channel to it."""
        return [*GRPC_OPTIONS, *grpc_options(self.host_port)]


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What the server says of N rows, in their order."""

    probability: np.ndarray  # float32 [N], of a click
    model_version: np.ndarray  # int64 [N], of the model that answered; may change between rows when a model is replaced
    prediction_id: np.ndarray  # object [N] of str: the answer that the server's journal has the row in; "" if it keeps none
    request_row: np.ndarray  # int32 [N]: which row of that answer

    def __len__(self) -> int:
        return len(self.probability)


class GrpcDoor:
    """Any number of threads may use it."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._proxy = proxy_variable(address.host_port)
        self._client = triton_grpc.InferenceServerClient(
            address.host_port, ssl=address.tls, root_certificates=address.root_certificates, channel_args=address.grpc_options
        )

    def config(self, timeout_s: float) -> dict[str, Any]:
        with own_errors(str(self._address), timeout_s, self._proxy):
            return self._client.get_model_config(self._address.model, as_json=True, client_timeout=timeout_s)["config"]

    def infer(
        self, tensors: Tensors, digest: str, timeout_s: float, request_id: str = "", said: Said = NOTHING_SAID
    ) -> Prediction:
        inputs, stated = infer_inputs(triton_grpc.InferInput, tensors), parameters(digest, said)
        with own_errors(str(self._address), timeout_s, self._proxy):
            result = self._client.infer(
                self._address.model, inputs, parameters=stated, request_id=request_id, client_timeout=timeout_s
            )
            return prediction(result, tensors)

    def close(self) -> None:
        self._client.close()


class HttpDoor:
    """Any number of threads may use it."""

    def __init__(self, address: Address) -> None:
        self._address = address
        certificates = {"ca_certs": address.root_certificates} if address.tls else {}
        self._pool = urllib3.connection_from_url(address.http_url, maxsize=CONNECTIONS, retries=False, **certificates)

    def config(self, timeout_s: float) -> dict[str, Any]:
        with own_errors(str(self._address), timeout_s):
            return json.loads(self._request("GET", "config", timeout_s).data)

    def infer(
        self, tensors: Tensors, digest: str, timeout_s: float, request_id: str = "", said: Said = NOTHING_SAID
    ) -> Prediction:
        inputs, stated = infer_inputs(triton_http.InferInput, tensors), parameters(digest, said)
        body, header_length = triton_http.InferenceServerClient.generate_request_body(
            inputs, parameters=stated, request_id=request_id
        )
        with own_errors(str(self._address), timeout_s):
            found = self._request("POST", "infer", timeout_s, body=body, headers={HEADER_LENGTH: str(header_length)})
            result = triton_http.InferenceServerClient.parse_response_body(
                found.data, header_length=found.headers.get(HEADER_LENGTH)
            )
            return prediction(result, tensors)

    def close(self) -> None:
        self._pool.close()

    def _request(self, method: str, what: str, timeout_s: float, **content: Any) -> urllib3.BaseHTTPResponse:
        path = f"/v2/models/{quote(self._address.model)}/{what}"
        found = self._pool.request(method, path, timeout=urllib3.Timeout(total=timeout_s), **content)
        if found.status != 200:
            raise http_failure(found.status, found.data)
        return found


def parameters(digest: str, said: Said = NOTHING_SAID) -> dict[str, str | int]:
    """Of a request: the server refuses tensors that follow another declaration."""
    return {"declaration": digest, **said}


def infer_inputs(kind: Callable[..., Any], tensors: Tensors) -> list[Any]:
    """The tensors as tritonclient's inputs of either protocol."""
    inputs = []
    for name, values in tensors.items():
        inputs.append(kind(name, list(values.shape), np_to_triton_dtype(values.dtype)))
        inputs[-1].set_data_from_numpy(values)
    return inputs


def prediction(result: Any, tensors: Tensors) -> Prediction:
    """The answer's two outputs. Raises ServerFailed if they are not one value a row."""
    num_rows = len(next(iter(tensors.values())))
    found = [result.as_numpy(name) for name in (PROBABILITY, MODEL_VERSION)]
    shapes = [None if values is None else values.shape for values in found]
    if shapes != [(num_rows, 1)] * 2:
        raise ServerFailed(f"the server answered {num_rows} rows with tensors of shape {shapes}; is this the model 'ctr'?")
    ids = result.as_numpy(PREDICTION_ID)
    return Prediction(
        probability=found[0][:, 0],
        model_version=found[1][:, 0],
        prediction_id=np.full(num_rows, "" if ids is None else ids.ravel()[0].decode(), dtype=object),
        request_row=np.arange(num_rows, dtype=np.int32),
    )
