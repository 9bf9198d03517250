"""Rounds of measuring, each with servers of its own: load time and memory of each, then both side by side under load."""

import random
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from contracts.lifecycle.config import GateConfig
from contracts.serving.config import ServerConfig
from lifecycle.gate.measuring.served import Served, served
from lifecycle.gate.measuring.slices import MeasuredWorkload, measure, prepared_side, sender_to
from lifecycle.gate.models import GatedModel
from loadtests.requests.traffic import TrafficRows

TIMES = 4  # that each request of each workload is sent before memory is looked at again
Side = tuple[Served, TrafficRows]  # a running model, and rows as requests to it
Workload = tuple[int, int]  # rows a request, clients


@dataclass(frozen=True, kw_only=True)
class Start:
    """A start of a server."""

    load_time: float  # seconds
    memory: float  # MiB, resident, after loading
    memory_after: float  # after some traffic


@dataclass(frozen=True, kw_only=True)
class GateRound:
    """What one round found."""

    starts: tuple[Start, Start]  # candidate, champion
    speed: dict[Workload, MeasuredWorkload]  # of the workloads that it measured


@dataclass(kw_only=True)
class Measuring:
    """Measures rounds, one after the other, and keeps them."""

    config: GateConfig
    server_config: ServerConfig
    folder: Path  # of the servers' logs
    say: Callable[[str], None]
    rounds: list[GateRound] = field(default_factory=list)
    took_s: float = field(default=0.0, init=False)  # of the last round
    _coin: random.Random = field(default_factory=lambda: random.Random(0))

    def measure(self, sides: Sequence[Side], workloads: Sequence[Workload]) -> None:
        """Add a round on servers that have just started."""
        started = time.monotonic()
        starts = [look_at(one, traffic, self.config) for one, traffic in sides]
        speed = {workload: measure(self.config, workload, sides, self._coin) for workload in workloads}
        self.rounds.append(GateRound(starts=(starts[0], starts[1]), speed=speed))
        self.took_s = time.monotonic() - started

    def measure_anew(self, models: Sequence[tuple[GatedModel, TrafficRows]], workloads: Sequence[Workload]) -> None:
        """Add a round on servers of its own; who is started first changes from round to round."""
        started = time.monotonic()
        with ExitStack() as stack:
            running: dict[str, Served] = {}
            for model, _ in models if len(self.rounds) % 2 == 0 else models[::-1]:
                running[model.name] = stack.enter_context(served(model, self.server_config, self.folder))
            self.measure([(running[model.name], traffic) for model, traffic in models], workloads)
        self.took_s = time.monotonic() - started

    def until_decided(
        self,
        models: Sequence[tuple[GatedModel, TrafficRows]],
        open_workloads: Callable[[Sequence[GateRound]], Sequence[Workload] | None],
        deadline_s: float,
    ) -> None:
        """More rounds, up to the last look. `open_workloads`: those to be measured further, None where all is decided.

        No round begins that would not end by `deadline_s` if it takes as long as the one before.
        """
        wanted: Sequence[Workload] = self.config.workloads
        while len(self.rounds) < self.config.rounds[-1] and time.monotonic() + self.took_s < deadline_s:
            if len(self.rounds) in self.config.rounds:
                still_open = open_workloads(self.rounds)
                if still_open is None:
                    return
                wanted = still_open
            self.measure_anew(models, wanted)


def look_at(one: Served, traffic: TrafficRows, config: GateConfig) -> Start:
    """A server that has just started; sends it some traffic. Raises NotAnswered."""
    for rows, clients in config.workloads:
        side = prepared_side(one, traffic, rows, config)
        with sender_to(one, clients) as sender:
            for _ in range(TIMES):
                sender.send(side.requests, side.judge)
    return Start(load_time=one.load_s, memory=one.loaded_mib, memory_after=one.resident_mib())
