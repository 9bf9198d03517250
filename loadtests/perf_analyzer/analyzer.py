"""NVIDIA's perf_analyzer as the generator of load: a request costs it a third of what it costs Python, or less, so that it
measures the server also on a machine that it shares with the server. `make .venv-load/.perf-analyzer` installs it.

perf_analyzer ends at the first request that is not answered (`RequestFailed`; `QueueFull` where the server's full queue
refused it). It also asks for Triton's statistics, which need the secret, and takes it only as an argument: use it against
servers that were made for a trial.
"""

import math
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from loadtests.perf_analyzer.export import read_export
from loadtests.perf_analyzer.input import Key, Requests
from loadtests.perf_analyzer.process import NeverBegan, finish
from loadtests.requests.bodies import MODEL
from loadtests.verdicts.samples import Window, within
from serving.proxies import without_proxies
from serving.server.admin import AdminApi
from serving.server.secret import grpc_headers, http_headers

FOLDER = Path(".venv-load/perf_analyzer")
PROTOCOLS = {"grpc": "grpc", "http": "http_binary"}  # as perf_analyzer and as samples call them
GRACE_S = 20.0  # to start, to read its input and to write its results
STARTS = 3
ASK_TIMEOUT_S = 5.0
WINDOWS = 3  # fewer are never "stable" to perf_analyzer, which then writes no results
ANY_SPREAD = "1000000"  # percent, between its windows: whether a figure is stable is for us to say


@dataclass(frozen=True, kw_only=True)
class AnalyzerTarget:
    """A running server that perf_analyzer may ask everything."""

    grpc: str  # host:port
    http: str
    secret: str


@dataclass(frozen=True, kw_only=True)
class AnalyzerRun:
    """What a run of perf_analyzer measured."""

    samples: np.ndarray  # SAMPLE of the measured window, in order of intended_s
    window: Window
    cpu_s: float  # of perf_analyzer, user and system, start-up included
    wall_s: float  # the same

    @property
    def late_ms(self) -> np.ndarray:
        """How long after it was due each request was sent."""
        return (self.samples["sent_s"] - self.samples["intended_s"]) * 1e3

    @property
    def requests_per_s(self) -> float:
        """Requests of the window that were answered within it, a second."""
        done = self.samples["done_s"]
        return int(np.sum(done < self.window.end_s)) / self.window.seconds


@dataclass(frozen=True, kw_only=True)
class PerfAnalyzer:
    """Sends `requests` to `target` over one protocol, "grpc" or "http"."""

    target: AnalyzerTarget
    protocol: str
    requests: Requests
    answers: Mapping[Key, np.ndarray]  # to the requests
    tolerance: float  # of a probability
    folder: Path = FOLDER

    def closed(self, clients: int, seconds: float, warmup_s: float) -> AnalyzerRun:
        """Each of `clients` waits for its answer before it asks again. Raises RequestFailed, and ValueError otherwise."""
        window_ms = max(1, round((seconds + warmup_s) * 1e3 / WINDOWS))
        times = ["--measurement-interval", str(window_ms), "--stability-percentage", ANY_SPREAD, "--max-trials", str(WINDOWS)]
        return self._run(["--concurrency-range", str(clients), *times], seconds + warmup_s, warmup_s, None)

    def open(
        self, rate: float, seconds: float, warmup_s: float, rng: np.random.Generator, arrivals: str = "poisson"
    ) -> AnalyzerRun:
        """Requests arrive at `rate` a second, whether or not earlier ones were answered; `arrivals`: poisson or constant.

        Raises RequestFailed, and ValueError otherwise.
        """
        gaps_us = schedule_us(rate, seconds + warmup_s, rng, arrivals)
        with tempfile.NamedTemporaryFile("w", suffix=".txt", prefix="adclick-gaps-") as file:
            file.write("\n".join(map(str, gaps_us)) + "\n")
            file.flush()
            arguments = ["--request-intervals", file.name, "--request-count", str(len(gaps_us))]
            # it waits for the first gap before the first request, so the first is due at 0 and the rest after their own gaps
            offsets_ns = (np.cumsum(gaps_us) - gaps_us[0]) * 1000
            return self._run(arguments, seconds + warmup_s, warmup_s, offsets_ns)

    def _run(self, arguments: list[str], seconds: float, warmup_s: float, offsets_ns: np.ndarray | None) -> AnalyzerRun:
        with tempfile.TemporaryDirectory(prefix="adclick-perf-") as name:
            folder = Path(name)
            self.requests.write(folder / "requests.json")
            command = [*self._command(folder), *arguments]
            cpu_s, wall_s = self._finish(command, folder / "output", seconds * 2 + GRACE_S)
            samples = read_export(
                folder / "export.json",
                kind=PROTOCOLS[self.protocol],
                rows=self.requests.rows,
                answers=self.answers,
                tolerance=self.tolerance,
                offsets_ns=offsets_ns,
            )
        started_s = samples["intended_s"][0]
        ended_s = started_s + seconds if offsets_ns is not None else samples["sent_s"][-1]
        window = Window(start_s=started_s + warmup_s, end_s=ended_s)
        return AnalyzerRun(samples=within(samples, window), window=window, cpu_s=cpu_s, wall_s=wall_s)

    def _finish(self, command: list[str], output_path: Path, timeout_s: float, starts: int = STARTS) -> tuple[float, float]:
        """`finish`, and again where it never began."""
        before = self._answered()
        try:
            return finish(
                command, output_path, self._environment(), timeout_s, begin_s=GRACE_S, began=lambda: self._answered() != before
            )
        except NeverBegan as error:
            if starts == 1:
                raise
            print(f"{error}; it is started again", file=sys.stderr)
        return self._finish(command, output_path, timeout_s, starts - 1)

    def _answered(self) -> float:
        """Requests that the server has answered; NaN, which equals nothing, if it does not say."""
        try:
            return AdminApi(f"http://{self.target.http}", self.target.secret, ASK_TIMEOUT_S).answered(MODEL)
        except ValueError:
            return math.nan

    def _command(self, folder: Path) -> list[str]:
        over_grpc = self.protocol == "grpc"
        secret = (grpc_headers if over_grpc else http_headers)(self.target.secret)
        return [
            str(installed(self.folder)),
            *("-m", MODEL, "-u", self.target.grpc if over_grpc else self.target.http, "-i", self.protocol),
            *(part for item in secret.items() for part in ("-H", ":".join(item))),
            *(("--request-parameter", f"declaration:{self.requests.digest}:string") if over_grpc else ()),  # HTTP cannot
            *("-b", str(self.requests.rows), "--input-data", str(folder / "requests.json")),
            *("--async", "--max-threads", "1"),  # more threads cost more of the machine and send no faster
            *("--profile-export-file", str(folder / "export.json")),
        ]

    def _environment(self) -> dict[str, str]:
        return without_proxies(os.environ) | {"LD_LIBRARY_PATH": str(self.folder.resolve() / "lib")}


def installed(folder: Path) -> Path:
    """The program. Raises ValueError where it is not installed."""
    program = folder.resolve() / "perf_analyzer"
    if not program.is_file():
        raise ValueError(f"{folder}/perf_analyzer is missing; run `make {folder.parent}/.perf-analyzer`, which installs it")
    return program


def schedule_us(rate: float, seconds: float, rng: np.random.Generator, arrivals: str) -> np.ndarray:
    """Gaps before each of `rate` * `seconds` requests in whole microseconds, int64, none of them 0; they do not drift.

    Arrivals of a Poisson process whose number is known are as uniform draws in order, so the rate is met exactly.
    """
    number = max(2, round(rate * seconds))
    length_us = number / rate * 1e6
    times = np.sort(rng.uniform(0, length_us, number)) if arrivals == "poisson" else length_us / number * np.arange(1, number + 1)
    return np.maximum(1, np.diff(np.round(times), prepend=0)).astype(np.int64)
