"""The served model's rates as NVIDIA's perf_analyzer sees them, a generator of other people's beside wrk and h2load.

It asks a server for Triton's own configuration and statistics first, so only Triton can be asked by it.
"""

from collections.abc import Callable, Sequence

import numpy as np

from loadtests.peers.generator import GeneratorResult
from loadtests.peers.same_answers import TOLERANCE
from loadtests.perf_analyzer.analyzer import AnalyzerTarget, PerfAnalyzer
from loadtests.perf_analyzer.input import Requests
from loadtests.perf_analyzer.target import analyzers
from loadtests.verdicts.samples import count, latencies_ms

DOORS = {"http": "Triton, HTTP, by perf_analyzer", "grpc": "Triton, gRPC, by perf_analyzer"}
Send = Callable[[float], GeneratorResult]


def senders(target: AnalyzerTarget, requests: Requests, clients: Sequence[int]) -> list[tuple[str, int, Send]]:
    """A door's name, a number of clients, and what loads the door with them for so many seconds, of every pair."""
    by_protocol = analyzers(target, requests, tuple(DOORS), TOLERANCE)
    return [(door, number, sender(by_protocol[protocol], number)) for protocol, door in DOORS.items() for number in clients]


def sender(analyzer: PerfAnalyzer, clients: int) -> Send:
    """Raises ValueError when it is called and a request is not answered: perf_analyzer ends then."""

    def send(seconds: float) -> GeneratorResult:
        found = analyzer.closed(clients, seconds, warmup_s=0.0)
        outcomes, latencies = count(found.samples), latencies_ms(found.samples, "ok")
        if not len(latencies):
            raise ValueError(f"perf_analyzer had no right answer within {seconds:g} s")
        p50_ms, p99_ms = np.percentile(latencies, [50, 99])
        return GeneratorResult(
            requests=outcomes["ok"],
            errors=sum(outcomes.values()) - outcomes["ok"],
            seconds=found.window.seconds,
            p50_ms=float(p50_ms),
            p99_ms=float(p99_ms),
        )

    return send
