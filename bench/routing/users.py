"""Requests of known users, sent on time over HTTP while something happens to the server; who answered each, and how."""

from dataclasses import dataclass

import numpy as np
import tritonclient.http as triton_http

from bench.routing.settings import BenchRoutingConfig
from bench.routing.world import RoutedServer
from contracts.serving.request import CATEGORICAL, MODEL_VERSION, PROBABILITY
from loadtests.limits.spike_sender import SpikeSender
from loadtests.perf_analyzer.input import first_row, requests_of
from loadtests.perf_analyzer.target import analyzers, target_of
from loadtests.requests.bodies import binary_body
from loadtests.requests.traffic import read_traffic
from loadtests.verdicts.samples import OUTCOMES

DATATYPES = {"categorical": "BYTES", "numeric": "FP32"}


@dataclass(frozen=True, kw_only=True)
class KnownUsers:
    """One-row requests, and what they must get."""

    keys: list[bytes]  # the user of each
    bodies: list[tuple[bytes, int]]
    champion: np.ndarray  # float32: the champion's answer to each

    @classmethod
    def of(cls, config: BenchRoutingConfig, running: RoutedServer) -> "KnownUsers":
        """As the champion answers them now. Raises ValueError if requests do not hold their user."""
        traffic = read_traffic(config.traffic_rows)
        places = [place for place, column in enumerate(traffic.spec.categorical) if column.role == "entity"]
        if not places:
            raise ValueError("the exported model's requests do not hold their user; export a data set that has an entity")
        requests = requests_of(traffic, 1, config.distinct)
        answers = analyzers(target_of(running.server), requests, ("http",), config.tolerance)["http"].answers
        typed = [{name: (DATATYPES[name], values) for name, values in tensors.items()} for tensors in requests.tensors]
        return cls(
            keys=[str(tensors[CATEGORICAL][0, places[0]]).encode() for tensors in requests.tensors],
            bodies=[binary_body(tensors, requests.digest) for tensors in typed],
            champion=np.array([answers[first_row(tensors)][0] for tensors in requests.tensors], dtype=np.float32),
        )


@dataclass(frozen=True, kw_only=True)
class UsersSent:
    """What came of the requests, in the order in which they were due."""

    samples: np.ndarray  # SAMPLE
    user: np.ndarray  # int64, place among the users
    version: np.ndarray  # int64, who answered; 0: nobody
    probability: np.ndarray  # float32

    def wrong_of_champion(self, users: KnownUsers, tolerance: float) -> int:
        """Its answers that were not what it answers."""
        mine = self.version == 1
        return int((np.abs(self.probability[mine] - users.champion[self.user[mine]]) > tolerance).sum())

    @property
    def failed(self) -> int:
        """Requests that were sent and not answered. What no connection was free for was not sent."""
        return int(((self.version == 0) & (self.samples["outcome"] != OUTCOMES.index("unsent"))).sum())


def send(config: BenchRoutingConfig, running: RoutedServer, users: KnownUsers, rate: float, seconds: float) -> UsersSent:
    """At even distances."""
    sender = SpikeSender(
        host=running.server.config.host,
        port=running.server.config.http_port,
        bodies=users.bodies,
        rows=1,
        connections=config.connections,
        timeout_s=config.timeout_s,
    )
    found: list[tuple[int, float]] = []

    def note(place: int, body: bytes, header_length: int) -> bool:
        answer = triton_http.InferenceServerClient.parse_response_body(body, header_length=header_length or None)
        found.append((int(answer.as_numpy(MODEL_VERSION)[0, 0]), float(answer.as_numpy(PROBABILITY)[0, 0])))
        return True

    samples = sender.run(np.arange(0, seconds, 1 / rate), note)
    version, probability = np.zeros(len(samples), dtype=np.int64), np.full(len(samples), np.nan, dtype=np.float32)
    for request, (who, p_click) in zip(sender.answered_requests, found, strict=True):
        version[request], probability[request] = who, p_click
    user = np.arange(len(samples)) % len(users.keys)
    return UsersSent(samples=samples, user=user, version=version, probability=probability)
