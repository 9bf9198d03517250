"""Steady arrivals for long: perf_analyzer in slices, and the memory of the server and of its models' processes beside it."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import psutil

from loadtests.limits.settings import SoakConfig
from loadtests.perf_analyzer.analyzer import PerfAnalyzer
from loadtests.perf_analyzer.process import RequestFailed
from loadtests.verdicts.latency import Quantile, quantile
from loadtests.verdicts.samples import SAMPLE, count, latencies_ms
from serving.server.stubs import stubs

MIB = 2**20
END_SHARE = 0.1  # of the time after the first minutes: growth is that of its last tenth against its first


@dataclass(frozen=True, kw_only=True)
class Soaked:
    """What a soak measured. Times are CLOCK_MONOTONIC."""

    started_s: float
    ended_s: float
    samples: np.ndarray  # SAMPLE, in order of intended_s
    memory: list[tuple[float, dict[str, float]]]  # moment, MiB resident by kind of process
    failed: list[str]  # why slices ended before their time

    def numbers(self) -> dict[str, int]:
        """Requests by outcome, those that there were."""
        return {name: number for name, number in count(self.samples).items() if number}

    def p99(self, begin: float, end: float) -> Quantile:
        """Of the requests that were due between two shares of the time."""
        seconds = self.ended_s - self.started_s
        share = (self.samples["intended_s"] - self.started_s) / seconds
        return quantile(latencies_ms(self.samples[(share >= begin) & (share < end)], "ok"), 0.99)

    def growth_mib(self, settle_share: float) -> tuple[float, float]:
        """Of all processes together, after the first minutes, and from how much. Raises ValueError if looked at too seldom."""
        totals = [sum(kinds.values()) for at, kinds in self.memory if self._share(at) >= settle_share]
        if len(totals) < 2:
            raise ValueError("memory was looked at less than twice after the first minutes; soak for longer, or look more often")
        ends = max(1, round(END_SHARE * len(totals)))
        begun = float(np.median(totals[:ends]))
        return float(np.median(totals[-ends:])) - begun, begun

    def _share(self, at: float) -> float:
        return (at - self.started_s) / (self.ended_s - self.started_s)


def soak(
    analyzer: PerfAnalyzer, config: SoakConfig, rate: float, server_pid: int, say: Callable[[str], None] = lambda text: None
) -> Soaked:
    """Requests at `rate` a second for the configured time. A slice that fails is noted, and the next one begins."""
    rng = np.random.default_rng(config.seed)
    parts, failed = [np.empty(0, dtype=SAMPLE)], []
    with MemoryWatch(server_pid=server_pid, every_s=config.memory_every_s) as watch:
        started = time.monotonic()
        end = started + config.minutes * 60
        while time.monotonic() < end:
            seconds = min(config.slice_s, max(2.0, end - time.monotonic()))
            try:
                load = analyzer.open(rate, seconds, config.warmup_s, rng, config.arrivals)
            except RequestFailed as error:
                failed.append(str(error))
                say(f"{elapsed(started)}: {error}")
                continue
            parts.append(load.samples)
            say(f"{elapsed(started)}: {load.requests_per_s:,.0f} requests/s, {quantile(latencies_ms(load.samples, 'ok'), 0.99)}")
        ended = time.monotonic()
    return Soaked(started_s=started, ended_s=ended, samples=np.concatenate(parts), memory=watch.seen, failed=failed)


def elapsed(started: float) -> str:
    minutes, seconds = divmod(round(time.monotonic() - started), 60)
    return f"{minutes}:{seconds:02d}"


@dataclass(kw_only=True)
class MemoryWatch:
    """Looks at the resident memory of the server and of its models' processes, from a thread, until it is left."""

    server_pid: int
    every_s: float
    seen: list[tuple[float, dict[str, float]]] = field(default_factory=list)

    def __enter__(self) -> "MemoryWatch":
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while True:
            self.seen.append((time.monotonic(), resident_mib(self.server_pid)))
            if self._over.wait(self.every_s):
                return


def resident_mib(server_pid: int) -> dict[str, float]:
    """MiB resident of `tritonserver` and, added up, of each model's processes; those that just ended are left out."""
    processes = [(server_pid, "tritonserver"), *((pid, model) for pid, (model, _) in stubs(server_pid).items())]
    found: dict[str, float] = {}
    for pid, name in processes:
        try:
            found[name] = found.get(name, 0.0) + psutil.Process(pid).memory_info().rss / MIB
        except psutil.Error:
            continue
    return found
