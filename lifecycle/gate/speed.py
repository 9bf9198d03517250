"""Rows a second, p99 and the server's processor time: candidate and champion in turn, both already running.

A run is made of short slices; those of the two models alternate, so that what disturbs the machine for longer than a slice hits
both. The ratio of the two runs is one pair (`statistics`).
"""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import numpy as np

from contracts.lifecycle.gate import FIGURES, GateConfig
from lifecycle.gate.checks import Check
from lifecycle.gate.sender import Sender
from lifecycle.gate.served import Served
from lifecycle.gate.statistics import Growth, growth
from loadtests.requests.bodies import binary_body
from loadtests.requests.prepared_request import PreparedRequest
from loadtests.requests.traffic import TrafficRows
from loadtests.verdicts.answers import Judge
from serving.client.protocols import GrpcDoor

ASK_TIMEOUT_S = 20.0
WANTED = ("request_time", "server_cpu")  # more pairs are measured for these; p99 is noisier and takes what there is
WORDS = {"request_time": "request time", "p99": "p99", "server_cpu": "server CPU"}


@dataclass(frozen=True, kw_only=True)
class Side:
    """A served model, and requests to it with their right answers."""

    served: Served
    requests: list[PreparedRequest]
    judge: Judge


@dataclass(kw_only=True)
class Run:
    """The slices of one side of a pair."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    latencies_s: list[np.ndarray] = field(default_factory=list)

    @property
    def figures(self) -> dict[str, float]:
        """Seconds: of a request, the p99 of their latencies, of the server's processor a request."""
        latencies = np.concatenate(self.latencies_s)
        number = len(latencies)
        return {
            "request_time": self.wall_s / number,
            "p99": float(np.quantile(latencies, 0.99)),
            "server_cpu": self.cpu_s / number,
        }


@dataclass(kw_only=True)
class Workload:
    """Requests of so many rows by so many clients, and the pairs measured so far."""

    rows: int
    clients: int
    sides: list[Side]  # candidate, champion
    senders: list[Sender]
    slice_requests: int = 0
    pairs: list[tuple[dict[str, float], dict[str, float]]] = field(default_factory=list)

    def warm_up(self, slice_s: float) -> None:
        """Ask each for all requests twice, and find how many make a slice of the champion."""
        for _ in range(2):
            for side, sender in zip(self.sides, self.senders, strict=True):
                sent = sender.send(side.requests, side.judge)
        self.slice_requests = max(self.clients, round(slice_s * len(sent.latencies_s) / sent.wall_s))

    def measure_pair(self, slices: int) -> None:
        """Add a pair: one run of each side, slice by slice in turn; who begins changes with every slice and pair."""
        runs = [Run(), Run()]
        for number in range(slices):
            order = (0, 1) if (number + len(self.pairs)) % 2 == 0 else (1, 0)
            for place in order:
                side, sender = self.sides[place], self.senders[place]
                start = number * self.slice_requests
                some = [side.requests[i % len(side.requests)] for i in range(start, start + self.slice_requests)]
                before = side.served.cpu_s()
                sent = sender.send(some, side.judge)
                runs[place].cpu_s += side.served.cpu_s() - before
                runs[place].wall_s += sent.wall_s
                runs[place].latencies_s.append(sent.latencies_s)
        self.pairs.append((runs[0].figures, runs[1].figures))

    def ratios(self, figure: str) -> list[float]:
        return [candidate[figure] / champion[figure] for candidate, champion in self.pairs]

    def __str__(self) -> str:
        return f"{self.rows} row{'s' if self.rows > 1 else ''} / {self.clients} client{'s' if self.clients > 1 else ''}"


def speed_checks(
    config: GateConfig,
    sides: Sequence[tuple[Served, TrafficRows]],
    limits: dict[str, float],
    deadline_s: float,
    say: Callable[[str], None],
) -> list[Check]:
    """Measures until every wanted figure is decided, one is beyond its limit, or no look or time is left."""
    with ExitStack() as stack:
        workloads = []
        for rows, clients in config.workloads:
            both = [prepared_side(served, traffic, rows, config) for served, traffic in sides]
            senders = [stack.enter_context(_sender(side.served, clients)) for side in both]
            workloads.append(Workload(rows=rows, clients=clients, sides=both, senders=senders))
            workloads[-1].warm_up(config.slice_s)
        for look in config.pairs:
            in_time = measure_until(look, [one for one in workloads if is_open(one, config, limits)], config, deadline_s)
            found = [one for workload in workloads for one in growths(workload, config, limits).values()]
            for workload in workloads:
                shown = growths(workload, config, limits)
                say(f"{workload}: " + ", ".join(f"{WORDS[name]} {shown[name]}" for name in FIGURES))
            if not in_time or any(one.state == "beyond" for one in found):
                break
            if not any(is_open(workload, config, limits) for workload in workloads):
                break
        return [check for workload in workloads for check in checks_of(workload, config, limits)]


def measure_until(look: int, workloads: list[Workload], config: GateConfig, deadline_s: float) -> bool:
    """Measure pairs of all workloads in turn, up to `look` of each; False if the time is over before."""
    while any(len(workload.pairs) < look for workload in workloads):
        for workload in workloads:
            if time.monotonic() > deadline_s and workload.pairs:
                return False
            workload.measure_pair(config.slices)
    return True


def is_open(workload: Workload, config: GateConfig, limits: dict[str, float]) -> bool:
    if not workload.pairs:
        return True
    found = growths(workload, config, limits)
    return any(found[name].state == "open" for name in WANTED)


def growths(workload: Workload, config: GateConfig, limits: dict[str, float]) -> dict[str, Growth]:
    return {name: growth(workload.ratios(name), limits[name], config.error_of_a_look) for name in FIGURES}


def prepared_side(served: Served, traffic: TrafficRows, rows: int, config: GateConfig) -> Side:
    """Different requests of `rows` consecutive rows; the right answers are those that the server gives to each alone."""
    distinct = max(1, min(config.distinct, traffic.num_rows // rows))
    found, version = [], 0
    door = GrpcDoor(served.address("grpc"))
    try:
        for start in range(0, distinct * rows, rows):
            tensors = traffic.payload(np.arange(start, min(start + rows, traffic.num_rows))).tensors
            asked = {name: values for name, (_, values) in tensors.items()}
            answer = door.infer(asked, traffic.spec.digest, ASK_TIMEOUT_S)
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


def _sender(served: Served, clients: int) -> Sender:
    return Sender(host=served.server.config.host, port=served.http_port, clients=clients)


def checks_of(workload: Workload, config: GateConfig, limits: dict[str, float]) -> list[Check]:
    return [_check(workload, name, found) for name, found in growths(workload, config, limits).items()]


def _check(workload: Workload, figure: str, found: Growth) -> Check:
    now, before = (median(pair[place][figure] for pair in workload.pairs) for place in (0, 1))
    figures: dict[str, Any] = {"rows": workload.rows, "clients": workload.clients, "figure": figure, **found.as_values()}
    figures |= {"candidate": now, "champion": before, "unit": "s", "ratios": workload.ratios(figure)}
    name = f"{WORDS[figure]}, {workload}"
    sentence = f"{name}: {found}, {shown(workload, figure, now)} against {shown(workload, figure, before)}"
    if found.state == "beyond":
        sentence += f"; {found.limit:+.0%} is allowed (gate.limits.{figure})"
    elif found.state == "open":
        sentence += f"; chance or growth beyond {found.limit:+.0%}, these pairs cannot tell"
    return Check(
        name=name,
        passed=found.state != "beyond",
        decided=found.state != "open",
        sentence=sentence,
        limit=found.limit,
        figures=figures,
    )


def shown(workload: Workload, figure: str, seconds: float) -> str:
    """Rows a second for the time of a request; milliseconds for others."""
    if figure == "request_time":
        return f"{workload.rows / seconds:,.0f} rows/s"
    return f"{seconds * 1e3:.3g} ms"
