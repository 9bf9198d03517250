"""What the journal costs: `make bench-journal`. The newest export is served twice, with a journal and without, and asked in turn.

Measured are the rates, the server's CPU seconds a request, the bytes of a row in a segment, and what `lifecycle.journal` makes of
the segments: time, memory, bytes.
"""

import os
import re
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from math import comb
from pathlib import Path
from statistics import median

import numpy as np
import psutil
import urllib3
from pydantic import Field
from pydantic.dataclasses import dataclass as checked

from bench.figures import Compared, Figure, at_least, at_most
from bench.parts import all_met
from bench.served.arriving import Arrivals, p99_figure
from bench.served.capacity import NAMES
from bench.served.entry import say, served_main
from contracts.serving.config import JournalConfig
from contracts.serving.releases import EXPORTED
from contracts.serving.request import CATEGORICAL, NUMERIC
from lifecycle.journal.served import SERVED
from loadtests.limits.settings import Protocol
from loadtests.observation.processes import family
from loadtests.perf_analyzer.analyzer import PerfAnalyzer
from loadtests.perf_analyzer.input import Requests, requests_of
from loadtests.perf_analyzer.settings import STRICT, PerfConfig, load_perf_settings
from loadtests.perf_analyzer.target import analyzers, target_of
from loadtests.requests.traffic import read_traffic
from loadtests.verdicts.samples import count
from serving.journal.folder import SEGMENTS, kept_journal
from serving.server.server import VENV, TritonServer
from serving.server.settings import load_journal_config, load_server_config
from serving.server.trial import trial_server

ANSWERED = re.compile(r'^nv_inference_request_success{model="ctr",version="1"} (\S+)', re.M)
JOURNALLED = re.compile(r'^adclick_journal_total{model="ctr",version="1",what="rows"} (\S+)', re.M)
EXECUTED = re.compile(r'^nv_inference_exec_count{model="ctr",version="1"} (\S+)', re.M)
MANY_ROWS = 16  # in a batch
COUNTED_S = 2.0  # until the server's own counters are handed on
CONVERTED = re.compile(r"journal: (\d+) rows of \d+ segments")
PREFIX = 4  # bytes of a string's length in a request


@checked(frozen=True, kw_only=True, config=STRICT)
class JournalLimits:
    cpu_ratio: float = Field(gt=0)
    throughput_ratio: float = Field(gt=0)
    interval_ratio: float = Field(gt=0)
    p99_ratio: float = Field(gt=0)
    bytes_ratio: float = Field(gt=0)
    bytes_ratio_alone: float = Field(gt=0)
    parquet_ratio: float = Field(gt=0)
    rows_per_cpu_s: float = Field(gt=0)
    peak_mib: float = Field(gt=0)


@checked(frozen=True, kw_only=True, config=STRICT)
class BenchJournalConfig(PerfConfig):
    """The meaning of each key stands in conf/loadtest/bench/bench_journal.yaml."""

    workloads: tuple[tuple[int, int], ...] = Field(min_length=1)
    protocols: tuple[Protocol, ...] = Field(min_length=1)
    seconds: float = Field(gt=0)
    warmup_s: float = Field(ge=0)
    pairs: int = Field(ge=1)
    open_rows: tuple[int, ...]
    open_load: float = Field(gt=0, lt=1)
    open_pairs: int = Field(ge=1)
    open_seconds: float = Field(gt=0)
    capacity_minutes: float = Field(gt=0)
    limits: JournalLimits


@dataclass
class MeasuredServer:
    """What was measured of a server, run by run."""

    server: TritonServer
    rates: list[float] = field(default_factory=list)  # rows a second
    cpu_us: list[float] = field(default_factory=list)  # a request

    def measure(self, analyzer: PerfAnalyzer, clients: int, config: BenchJournalConfig) -> None:
        """One run more. Raises ValueError if an answer was not right."""
        cpu_before, answered_before = cpu_s(self.server), counted(self.server, ANSWERED)
        load = analyzer.closed(clients, config.seconds, config.warmup_s)
        cpu_after, answered_after = cpu_s(self.server), counted(self.server, ANSWERED)
        if wrong := {name: number for name, number in count(load.samples).items() if number and name != "ok"}:
            raise ValueError(f"answers over {analyzer.protocol} at {clients} clients were not all right: {wrong}")
        self.rates.append(load.requests_per_s * float(load.samples["rows"][0]))
        self.cpu_us.append((cpu_after - cpu_before) / (answered_after - answered_before) * 1e6)


def measure(overrides: Sequence[str] = ()) -> list[Figure]:
    config = load_perf_settings("bench_journal", BenchJournalConfig, overrides)
    with tempfile.TemporaryDirectory(prefix="adclick-journal-", dir=".") as name:
        folder = Path(name) / "journal"
        figures = served(config, folder) + converted(folder, config.limits)
    return all_met(figures)


def served(config: BenchJournalConfig, folder: Path) -> list[Figure]:
    """Every workload on both servers, in turn; the segments stay in `folder`."""
    figures: list[Figure] = []
    cpu: list[tuple[float, float]] = []
    with ExitStack() as stack:
        told = stack.enter_context(kept_journal(unbroken(folder)))
        server_config = load_server_config()
        servers = [stack.enter_context(trial_server(EXPORTED, server_config, journal=journal)) for journal in (told, {})]
        for rows, clients in config.workloads:
            requests = requests_of(read_traffic(config.traffic_rows), rows, config.distinct)
            asking = [analyzers(target_of(server), requests, config.protocols, config.tolerance) for server in servers]
            for protocol in config.protocols:
                sides = [MeasuredServer(server) for server in servers]
                before = size_of(folder / SEGMENTS), *(counted(servers[0], family) for family in (JOURNALLED, EXECUTED))
                for _ in range(config.pairs):
                    for side, analyzer in zip(sides, asking, strict=True):
                        side.measure(analyzer[protocol], clients, config)
                time.sleep(COUNTED_S)
                after = size_of(folder / SEGMENTS), *(counted(servers[0], family) for family in (JOURNALLED, EXECUTED))
                size, number, batches = (b - a for a, b in zip(before, after, strict=True))
                of_request = size / number / request_bytes(requests)
                figures += workload_figures(f"{NAMES[protocol]}, {rows} / {clients}", sides, config.limits)
                figures.append(
                    bytes_figure(f"{NAMES[protocol]}, {rows} / {clients}", of_request, number / batches, config.limits)
                )
                cpu += zip(sides[0].cpu_us, sides[1].cpu_us, strict=True)
                say(f"{figures[-3].what}: {figures[-3].figure}; {figures[-2].figure}; {figures[-1].figure}")
        figures += opened(config, servers)
    pooled = median(a / b for a, b in cpu)
    bar = config.limits.cpu_ratio
    what = "journal: the server's CPU seconds a request, with by without, all workloads together"
    return [*figures, at_most(what, pooled, bar, f"{pooled:.3f}x in {len(cpu)} pairs", f"<= {bar:g}x")]


def opened(config: BenchJournalConfig, servers: list[TritonServer]) -> list[Figure]:
    """p99 of requests that arrive by themselves."""
    arrivals = Arrivals(
        load=config.open_load,
        pairs=config.open_pairs,
        seconds=config.open_seconds,
        warmup_s=config.warmup_s,
        capacity_minutes=config.capacity_minutes,
    )
    figures = []
    for rows in config.open_rows:
        requests = requests_of(read_traffic(config.traffic_rows), rows, config.distinct)
        with_journal, without = (
            analyzers(target_of(server), requests, ("grpc",), config.tolerance)["grpc"] for server in servers
        )
        named = f"gRPC, {rows} row{'s' if rows > 1 else ''}"
        figures.append(p99_figure(named, with_journal, without, arrivals, config.limits.p99_ratio))
    return figures


def unbroken(folder: Path) -> JournalConfig:
    """The project's journal, in `folder`; a segment ends when it is large, not while it is measured because it is old."""
    config = load_journal_config(folder=str(folder))
    if config is None:
        raise ValueError("params.yaml was composed before there was a journal; run `make repro`")
    return replace(config, segment_s=3600, max_gib=None)


def workload_figures(named: str, sides: list[MeasuredServer], limits: JournalLimits) -> list[Figure]:
    """Rate and CPU of a workload, with the journal by without."""
    rates = Compared(ours=tuple(sides[0].rates), theirs=tuple(sides[1].rates))
    cpu = Compared(ours=tuple(sides[0].cpu_us), theirs=tuple(sides[1].cpu_us))
    middle, bar = median(rates.ratios), limits.throughput_ratio
    low, high = interval_of_median(rates.ratios)
    shown = f"{middle:.3f}x [{low:.3f}, {high:.3f}] in the median of {len(rates.ratios)} pairs; {median(rates.ours):,.0f} rows/s"
    met = middle >= bar and high >= limits.interval_ratio
    shown_bar = f">= {bar:g}x, and the interval not wholly below {limits.interval_ratio:g}x"
    return [
        Figure(what=f"journal: rate over {named}", figure=shown, bar=shown_bar, met=met),
        Figure(what=f"journal: CPU over {named}", figure=f"{median(cpu.ours):.1f} us a request, {cpu.shown(3)}"),
    ]


def interval_of_median(values: Sequence[float]) -> tuple[float, float]:
    """The narrowest interval between two of the sorted values that holds the median in 95 of 100 samples; all of few values.

    Conover, Practical Nonparametric Statistics, 3rd edition 1999, section 3.2: how many lie below the median is binomial.
    """
    ordered, number = sorted(values), len(values)
    beyond = max((k for k in range(number // 2) if 2 * sum(comb(number, i) for i in range(k + 1)) / 2**number <= 0.05), default=0)
    return ordered[beyond], ordered[number - 1 - beyond]


def bytes_figure(named: str, ratio: float, batch_rows: float, limits: JournalLimits) -> Figure:
    """Bytes of a row in a segment by those in the request; a batch of few rows has the record for them alone."""
    bar = limits.bytes_ratio if batch_rows >= MANY_ROWS else limits.bytes_ratio_alone
    what = f"journal: bytes of a row by its request's, over {named}"
    return at_most(what, ratio, bar, f"{ratio:.2f}x in batches of {batch_rows:.1f} rows", f"<= {bar:g}x")


def converted(folder: Path, limits: JournalLimits) -> list[Figure]:
    """What `lifecycle.journal` makes of the segments, in the environment of serving."""
    segments = size_of(folder / SEGMENTS)
    command = [str(VENV / "bin/python"), "-m", "lifecycle.journal", "--folder", str(folder)]
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(command, stdout=said)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        found = CONVERTED.search(said.read())
    if process.returncode or found is None:
        raise ValueError(f"{' '.join(command)} ended with code {process.returncode}")
    cpu, peak_mib, parquet = used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, size_of(folder / SERVED)
    rate, ratio = int(found[1]) / cpu, parquet / segments
    shown = f"{rate:,.0f} rows a CPU second, start-up included: {int(found[1]):,} rows, {segments / 2**20:,.0f} MiB"
    return [
        at_least("journal: segments to Parquet", rate, limits.rows_per_cpu_s, shown, f">= {limits.rows_per_cpu_s:,.0f}"),
        at_most("journal: peak memory of that", peak_mib, limits.peak_mib, f"{peak_mib:.0f} MiB", f"<= {limits.peak_mib:g} MiB"),
        at_most("journal: Parquet by segment", ratio, limits.parquet_ratio, f"{ratio:.3f}x", f"<= {limits.parquet_ratio:g}x"),
    ]


def cpu_s(server: TritonServer) -> float:
    """Of the server and its Python models until now."""
    times = (psutil.Process(pid).cpu_times() for pid in family(server.process.pid))
    return sum(used.user + used.system for used in times)


def counted(server: TritonServer, family: re.Pattern[str]) -> float:
    """What the server says of itself, as of the last time that it counted."""
    found = family.search(urllib3.request("GET", server.metrics_url, retries=False).data.decode())
    return 0.0 if found is None else float(found[1])


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def request_bytes(requests: Requests) -> float:
    """Of a row: its strings behind their lengths, and its numbers."""
    texts = [text for tensors in requests.tensors for text in tensors.get(CATEGORICAL, np.empty(0)).ravel()]
    numbers = sum(tensors[NUMERIC].nbytes for tensors in requests.tensors if NUMERIC in tensors)
    return (sum(len(text.encode()) + PREFIX for text in texts) + numbers) / (len(requests.tensors) * requests.rows)


if __name__ == "__main__":
    served_main("bench-journal", measure)
