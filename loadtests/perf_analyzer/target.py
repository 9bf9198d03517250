"""perf_analyzer against a server that runs here: its addresses and secret, and what it answers before there is load."""

from pathlib import Path

import numpy as np

from loadtests.perf_analyzer.analyzer import AnalyzerTarget, PerfAnalyzer
from loadtests.perf_analyzer.input import Requests, Tensors
from loadtests.requests.bodies import MODEL
from serving.client.protocols import Address, GrpcDoor
from serving.server.secret import admin_secret
from serving.server.server import TritonServer

ASK_TIMEOUT_S = 10.0


def target_of(server: TritonServer) -> AnalyzerTarget:
    return AnalyzerTarget(
        grpc=server.grpc_url,
        http=server.http_url.removeprefix("http://"),
        secret=admin_secret(Path(server.config.secret_file)),
    )


def analyzers(
    target: AnalyzerTarget, requests: Requests, protocols: tuple[str, ...], tolerance: float
) -> dict[str, PerfAnalyzer]:
    """A perf_analyzer for each protocol. The right answers are those that the server gives now, one request at a time."""
    door = GrpcDoor(Address(host_port=target.grpc, model=MODEL))

    def ask(tensors: Tensors) -> np.ndarray:
        return door.infer(tensors, requests.digest, ASK_TIMEOUT_S).probability

    try:
        answers = requests.answers(ask)
    finally:
        door.close()
    return {
        name: PerfAnalyzer(target=target, protocol=name, requests=requests, answers=answers, tolerance=tolerance)
        for name in protocols
    }
