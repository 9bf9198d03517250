"""One workload on candidate and champion: short slices of requests in turn, in pairs, each of which gives a ratio.

A pair lasts hundredths of a second, so that what disturbs the machine for longer hits both, and what is shorter spoils few pairs.
"""

import random
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median

import numpy as np

from contracts.lifecycle.config import BLOCKS, GateConfig
from lifecycle.gate.measuring.sender import NotAnswered, Sender, Sent
from lifecycle.gate.measuring.served import FAILURES, Served
from loadtests.requests.bodies import binary_body
from loadtests.requests.prepared_request import PreparedRequest
from loadtests.requests.traffic import TrafficRows
from loadtests.verdicts.answers import Judge
from serving.client.protocols import GrpcDoor

ASK_TIMEOUT_S = 20.0


@dataclass(frozen=True, kw_only=True)
class Side:
    """A served model, and requests to it with their right answers."""

    served: Served
    requests: list[PreparedRequest]
    judge: Judge


@dataclass(frozen=True, kw_only=True)
class SentSlice:
    """Some requests of one side."""

    request_time: float  # seconds a request
    server_cpu: float  # the same, of the server's processor
    latencies_s: np.ndarray


@dataclass(frozen=True, kw_only=True)
class MeasuredWorkload:
    """A workload in one round: ratios of its pairs, candidate over champion, and the usual values of both, seconds."""

    ratios: dict[str, list[float]]  # by figure
    candidate: dict[str, float]
    champion: dict[str, float]


def measure(
    config: GateConfig, workload: tuple[int, int], sides: Sequence[tuple[Served, TrafficRows]], coin: random.Random
) -> MeasuredWorkload:
    """`sides`: candidate and champion, with the same rows as requests to each. Raises NotAnswered."""
    rows, clients = workload
    prepared = [prepared_side(served, traffic, rows, config) for served, traffic in sides]
    with ExitStack() as stack:
        senders = [stack.enter_context(sender_to(side.served, clients)) for side in prepared]
        per_request = warm_up(prepared, senders)
        number = max(clients, round(config.slice_s / per_request))
        pairs = []
        for pair in range(config.pairs):
            found: dict[int, SentSlice] = {}
            for place in (0, 1) if coin.random() < 0.5 else (1, 0):
                found[place] = send_slice(prepared[place], senders[place], pair * number, number)
            pairs.append((found[0], found[1]))
    return measured(pairs)


def warm_up(sides: Sequence[Side], senders: Sequence[Sender]) -> float:
    """Send all requests to each twice; returns the seconds that a request took the last of them."""
    sent: Sent | None = None
    for _ in range(2):
        for side, sender in zip(sides, senders, strict=True):
            sent = sender.send(side.requests, side.judge)
    assert sent is not None
    return sent.wall_s / len(sent.latencies_s)


def send_slice(side: Side, sender: Sender, first: int, number: int) -> SentSlice:
    """`number` requests from the one of place `first` on, counted around."""
    some = [side.requests[place % len(side.requests)] for place in range(first, first + number)]
    before = side.served.cpu_s()
    sent = sender.send(some, side.judge)
    cpu_s = side.served.cpu_s() - before
    return SentSlice(request_time=sent.wall_s / number, server_cpu=cpu_s / number, latencies_s=sent.latencies_s)


def measured(pairs: Sequence[tuple[SentSlice, SentSlice]]) -> MeasuredWorkload:
    """Ratios of all pairs; p99 is that of whole blocks of them, since a slice has too few requests for it."""
    length = len(pairs) // BLOCKS
    blocks = [pairs[start : start + length] for start in range(0, length * BLOCKS, length)]
    values: dict[str, list[tuple[float, float]]] = {
        "request_time": [(candidate.request_time, champion.request_time) for candidate, champion in pairs],
        "server_cpu": [(candidate.server_cpu, champion.server_cpu) for candidate, champion in pairs],
        "p99": [(p99([one for one, _ in block]), p99([one for _, one in block])) for block in blocks],
    }
    usual = [{name: median(pair[place] for pair in found) for name, found in values.items()} for place in (0, 1)]
    ratios = {name: [candidate / champion for candidate, champion in found] for name, found in values.items()}
    return MeasuredWorkload(ratios=ratios, candidate=usual[0], champion=usual[1])


def p99(slices: Sequence[SentSlice]) -> float:
    """Seconds, of the latencies of all the slices' requests."""
    return float(np.quantile(np.concatenate([one.latencies_s for one in slices]), 0.99))


def prepared_side(served: Served, traffic: TrafficRows, rows: int, config: GateConfig) -> Side:
    """Different requests of `rows` consecutive rows; the right answers are those that the server gives to each alone.

    Raises NotAnswered.
    """
    distinct = max(1, min(config.distinct, traffic.num_rows // rows))
    found, version = [], 0
    door = GrpcDoor(served.address("grpc"))
    try:
        for start in range(0, distinct * rows, rows):
            tensors = traffic.payload(np.arange(start, min(start + rows, traffic.num_rows))).tensors
            asked = {name: values for name, (_, values) in tensors.items()}
            try:
                answer = door.infer(asked, traffic.spec.digest, ASK_TIMEOUT_S)
            except FAILURES as error:
                raise NotAnswered(f"the {served.model.name} did not answer: {error}") from None
            body, header_length = binary_body(tensors, traffic.spec.digest)
            found.append(
                PreparedRequest(
                    kind="http_binary",
                    malformed=False,
                    num_rows=len(answer),
                    header_length=header_length,
                    body=body,
                    expected_N=answer.probability,
                )
            )
            version = int(answer.model_version[0])
    finally:
        door.close()
    return Side(served=served, requests=found, judge=Judge(version=version, tolerance=config.max_difference))


def sender_to(served: Served, clients: int) -> Sender:
    return Sender(name=served.model.name, host=served.server.config.host, port=served.http_port, clients=clients)
