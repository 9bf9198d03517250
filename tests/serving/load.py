"""Clients that ask without pause while something happens to the server, and judge every answer."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import polars as pl
import tritonclient.grpc as triton

from contracts.serving.request import RequestSpec
from serving.server.server import TritonServer
from tests.serving.doors import Reply, Tensors, ask_grpc, over_grpc, packed

ALLOWED = 1e-6
REST_AFTER_FAILURE_S = 0.02  # a client that is refused does not ask again at once


@dataclass
class LoadOutcome:
    """What came of the requests: when they ended, and how."""

    ended: list[tuple[float, Reply]] = field(default_factory=list)
    wrong: list[Reply] = field(default_factory=list)

    @property
    def failed(self) -> list[tuple[float, Reply]]:
        return [(when, reply) for when, reply in self.ended if reply.code != "OK"]

    @property
    def answered(self) -> list[tuple[float, Reply]]:
        return [(when, reply) for when, reply in self.ended if reply.code == "OK"]

    @property
    def reasons(self) -> Counter[str]:
        return Counter(f"{reply.code}: {reply.error}" for _, reply in self.failed)

    def versions(self) -> list[int]:
        """Versions that answered, in the order of their first answer."""
        return list(dict.fromkeys(int(reply.version[0]) for _, reply in self.answered))

    def answered_since(self, when: float) -> int:
        return sum(moment > when for moment, _ in self.answered)


@contextmanager
def load(
    server: TritonServer, rows: pl.DataFrame, spec: RequestSpec, clients: int = 8, images: list[bytes] | None = None
) -> Iterator[LoadOutcome]:
    """Load while the block runs; the answers that the server gives before it are the right ones.

    `images`: one that all rows are sent along with, in a list.
    """
    sizes = {start: 1 + start % 4 for start in range(0, 40, 4)}
    requests = [packed(rows[start : start + n], spec, images and images * n) for start, n in sizes.items()]
    expected = [over_grpc(server, request).probability for request in requests]
    found, stop = LoadOutcome(), threading.Event()
    threads = [threading.Thread(target=_ask, args=(server, requests, expected, found, stop, i)) for i in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield found
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _ask(
    server: TritonServer,
    requests: list[Tensors],
    expected: list[np.ndarray],
    found: LoadOutcome,
    stop: threading.Event,
    turn: int,
) -> None:
    with triton.InferenceServerClient(server.grpc_url) as client:
        while not stop.is_set():
            turn = (turn + 1) % len(requests)
            reply = ask_grpc(client, requests[turn])
            found.ended.append((time.monotonic(), reply))
            if reply.code != "OK":
                time.sleep(REST_AFTER_FAILURE_S)
            elif np.abs(reply.probability - expected[turn]).max() > ALLOWED:
                found.wrong.append(reply)
