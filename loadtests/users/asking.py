"""Sends prepared requests under gevent: gRPC through Triton's stubs, HTTP through geventhttpclient. Import it after gevent
has patched the standard library, as Locust does when it is imported.
"""

import json
from dataclasses import dataclass, field
from http.client import HTTPException

import grpc
import grpc.experimental.gevent
from geventhttpclient import HTTPClient
from geventhttpclient.response import HTTPSocketPoolResponse
from tritonclient.grpc import service_pb2

from loadtests.requests.bodies import HEADER_LENGTH
from loadtests.requests.prepared_request import PreparedRequest
from loadtests.verdicts.answers import Reply
from serving.proxies import grpc_options

METHOD = "/inference.GRPCInferenceService/ModelInfer"
PATH = "/v2/models/ctr/infer"
CHANNEL_OPTIONS = [
    ("grpc.use_local_subchannel_pool", 1),  # a connection of its own for each channel, as for clients on many machines
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
]


def open_grpc_to_gevent() -> None:
    """Once in a process, before the first channel: gRPC's core waits in greenlets from now on."""
    grpc.experimental.gevent.init_gevent()


@dataclass
class GrpcAsker:
    """A connection of its own to gRPC; any number of greenlets may ask at once."""

    host_port: str
    timeout_s: float
    connections: int = 1  # is not needed: HTTP/2 carries many requests in one
    _channel: grpc.Channel = field(init=False)

    def __post_init__(self) -> None:
        self._channel = grpc.insecure_channel(self.host_port, options=[*CHANNEL_OPTIONS, *grpc_options(self.host_port)])
        # requests are bytes already, so there is nothing to serialise
        self._infer = self._channel.unary_unary(METHOD, response_deserializer=service_pb2.ModelInferResponse.FromString)

    def ask(self, request: PreparedRequest) -> Reply:
        try:
            return Reply("OK", self._infer(request.body, timeout=self.timeout_s))
        except grpc.RpcError as error:
            return Reply(error.code().name, words=error.details() or "")

    def close(self) -> None:
        self._channel.close()


@dataclass
class HttpAsker:
    """Connections to HTTP that are kept open, at most `connections` of them at once."""

    host_port: str
    timeout_s: float
    connections: int = 1
    _client: HTTPClient = field(init=False)

    def __post_init__(self) -> None:
        host, _, port = self.host_port.rpartition(":")
        self._client = HTTPClient(
            host,
            int(port),
            concurrency=self.connections,
            connection_timeout=self.timeout_s,
            network_timeout=self.timeout_s,
        )

    def ask(self, request: PreparedRequest) -> Reply:
        headers = {HEADER_LENGTH: str(request.header_length)} if request.header_length else {}
        try:
            answer = self._client.request("POST", PATH, body=request.body, headers=headers)
            content = bytes(answer.read())
        except TimeoutError:
            return Reply("TIMEOUT", words=f"no answer within {self.timeout_s:g} s")
        except (OSError, HTTPException) as error:
            return Reply("NO_CONNECTION", words=f"{type(error).__name__}: {error}")
        return read_reply(answer, content)

    def close(self) -> None:
        self._client.close()


def read_reply(answer: HTTPSocketPoolResponse, content: bytes) -> Reply:
    if answer.status_code == 200:
        return Reply("OK", content, int(answer.get(HEADER_LENGTH) or 0))
    try:
        words = json.loads(content)["error"]
    except (ValueError, KeyError, TypeError):
        words = content.decode("utf-8", "replace")
    return Reply(str(answer.status_code), words=words)


ASKERS = {"grpc": GrpcAsker, "http_binary": HttpAsker, "http_json": HttpAsker}
