"""Does a server give the probabilities that the graph gives? Asked before its load: speed without them is worth nothing."""

import grpc
import numpy as np
import urllib3

from loadtests.peers.contenders import Door
from loadtests.peers.wire_formats import Body
from serving.proxies import grpc_options

TOLERANCE = 1e-6
TIMEOUT_S = 10.0


class NotReady(ValueError):
    """Nobody answers yet."""


def ask(door: Door, host_port: str, body: Body) -> bytes:
    """The answer's content. Raises NotReady if there is none, ValueError if it is a refusal."""
    return _ask_grpc(door, host_port, body) if door.is_grpc else _ask_http(door, host_port, body)


def refuse_other_answers(door: Door, host_port: str, sent: list[Body], expected: list[np.ndarray]) -> None:
    """Raise ValueError if an answer differs from float32 [N] of `expected` by more than TOLERANCE."""
    for body, wanted in zip(sent, expected, strict=True):
        found = door.answer(ask(door, host_port, body))
        if found.shape != wanted.shape:
            raise ValueError(f"{door.name} answered {len(wanted)} rows with {found.shape} probabilities")
        worst = float(np.abs(found.astype(np.float64) - wanted).max())
        if not worst <= TOLERANCE:
            raise ValueError(f"{door.name} answers other probabilities than the graph: they differ by up to {worst:.2g}")


def _ask_http(door: Door, host_port: str, body: Body) -> bytes:
    try:
        answer = urllib3.request(
            "POST",
            f"http://{host_port}{door.path}",
            body=body.content,
            headers=body.headers,
            timeout=TIMEOUT_S,
            retries=False,
        )
    except urllib3.exceptions.HTTPError as error:
        raise NotReady(f"{door.name}: {error}") from error
    if answer.status in (404, 503) or b"not ready" in answer.data[:300]:  # while models load; MLServer says it with 400
        raise NotReady(f"{door.name} answered {answer.status}")
    if answer.status != 200:
        raise ValueError(f"{door.name} answered {answer.status}: {answer.data[:300].decode(errors='replace')}")
    return answer.data


def _ask_grpc(door: Door, host_port: str, body: Body) -> bytes:
    with grpc.insecure_channel(host_port, options=grpc_options(host_port)) as channel:
        call = channel.unary_unary(door.path, request_serializer=None, response_deserializer=None)
        try:
            return call(body.content, timeout=TIMEOUT_S, wait_for_ready=False)
        except grpc.RpcError as error:
            if error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.NOT_FOUND) or "not ready" in error.details():
                raise NotReady(f"{door.name}: {error.details()}") from error
            raise ValueError(f"{door.name} answered {error.code().name}: {error.details()}") from error
