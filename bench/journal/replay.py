"""How fast a journal is computed again: `make bench-replay`. The newest export answers test rows in batches of one size, as the
backend runs them, and the journal of that is replayed: batches joined, and a share of them each alone, as it was.
"""

import json
import os
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass as checked

from bench.figures import Figure, at_least, at_most
from bench.parts import all_met
from bench.served.entry import say, served_main
from contracts.local_libraries import onnx_runtime
from contracts.serving.releases import EXPORTED
from lifecycle.replay.release import Released
from loadtests.perf_analyzer.settings import STRICT, PerfConfig, load_perf_settings
from loadtests.requests.traffic import TrafficRows, read_traffic
from serving.journal.folder import SEGMENTS
from serving.releases.store import Store
from serving.server.server import VENV
from serving.triton.graph import Answer
from serving.triton.journal.layout import ANSWERS, NOT_SENT
from serving.triton.journal.processor import processor
from serving.triton.journal.record import Asked, Seen, answers_payload
from serving.triton.journal.segment import SegmentFile, frame
from serving.triton.journal.writer import IdSource

START_NS, STEP_NS = 1_800_000_000_000_000_000, 1_000_000  # of the made journal's answers


@checked(frozen=True, kw_only=True, config=STRICT)
class ReplayLimits:
    rows_per_s: float = Field(gt=0)
    peak_mib: float = Field(gt=0)


@checked(frozen=True, kw_only=True, config=STRICT)
class BenchReplayConfig(PerfConfig):
    """The meaning of each key stands in conf/loadtest/bench/bench_replay.yaml."""

    batches: tuple[int, ...] = Field(min_length=1)
    rows: tuple[int, ...] = Field(min_length=1)
    alone_share: float = Field(gt=0, le=1)
    limits: ReplayLimits


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """What a replay said of itself."""

    totals: dict[str, Any]
    seconds: float  # of the process, start-up included
    cpu_s: float
    peak_mib: float

    @property
    def rows_per_s(self) -> float:
        return float(self.totals["rows"]) / self.seconds

    @property
    def shown(self) -> str:
        rows = self.totals["rows"]
        return f"{self.rows_per_s:,.0f} rows/s, {rows / self.cpu_s:,.0f} a CPU second, start-up included: {rows:,} rows"


def measure(overrides: Sequence[str] = ()) -> list[Figure]:
    config = load_perf_settings("bench_replay", BenchReplayConfig, overrides)
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="adclick-replay-", dir=".") as name:
        store = Path(name) / "models"
        released = Released(store, Store(store).release(EXPORTED))
        traffic = read_traffic(config.traffic_rows)
        for place, (batch, rows) in enumerate(zip(config.batches, config.rows, strict=True)):
            journal = Path(name) / f"journal-{batch}"
            size = make_journal(journal, released, traffic, batch, rows)
            whole = replay(journal, store, "--share", "1")
            alone = replay(journal, store, "--share", str(config.alone_share), "--alone")
            shown = f"{whole.shown}, {size / 2**20:,.0f} MiB"
            what, bar = f"replay: batches of {batch}", config.limits.rows_per_s
            how = "joined" if whole.totals["joined"] else "each alone, since joined ones give other bits here"
            figures += [
                at_least(what, whole.rows_per_s, bar, shown, f">= {bar:,.0f}") if place == 0 else Figure(what=what, figure=shown),
                Figure(what=f"{what}, how", figure=how),
                Figure(what=f"{what}, each alone", figure=alone.shown),
                equal_figure(what, [whole, alone]),
            ]
            if place == 0:
                most = config.limits.peak_mib
                figures.append(
                    at_most("replay: peak memory", whole.peak_mib, most, f"{whole.peak_mib:.0f} MiB", f"<= {most:g} MiB")
                )
            say(f"{what}: {shown}")
    return all_met(figures)


def equal_figure(what: str, replays: list[Replayed]) -> Figure:
    rows, equal = (sum(replayed.totals[name] for replayed in replays) for name in ("rows", "equal"))
    return at_least(f"{what}, equal to the last bit", equal, rows, f"{equal:,} of {rows:,} rows", "all")


def make_journal(folder: Path, released: Released, traffic: TrafficRows, batch: int, rows: int) -> int:
    """A journal of so many rows, as the backend writes it; its bytes. Batches repeat once the traffic ends."""
    (folder / SEGMENTS).mkdir(parents=True)
    ids, threads = IdSource(), int(released.settings["ort_threads"])
    about = {"written_by": "native", "model": "ctr", "release": released.number, "onnxruntime": onnx_runtime().__version__}
    about |= {"threads": threads, "graph": released.digest, "processor": processor(), "schema": released.settings["journal"]}
    asked = [asked_and_seen(released, traffic, start, batch) for start in range(0, traffic.num_rows - batch + 1, batch)]
    segment = SegmentFile(folder, f"{ids.writer:016x}", 0, about, START_NS)
    for number in range(-(-rows // batch)):
        now_ns = START_NS + number * STEP_NS
        requests = [Asked(num_rows=batch, request_id="", event_ns=NOT_SENT, keys=None)]
        payload = answers_payload(released.number, requests, asked[number % len(asked)], [ids.draw(now_ns)], now_ns)
        segment.write([frame(ANSWERS, payload)], 1, batch)
    segment.close()
    return segment.size


def asked_and_seen(released: Released, traffic: TrafficRows, start: int, batch: int) -> Seen:
    """A batch of test rows, answered in a call of its own."""
    rows = slice(start, start + batch)
    strings = [[*row] for row in traffic.categorical_NC[rows]] if traffic.categorical_NC is not None else []
    numbers_NM = np.empty((batch, 0), np.float32) if traffic.numeric_NM is None else traffic.numeric_NM[rows]
    found: Answer = released.graph(None).answer(released.joiner.spelled(strings).encoded if strings else b"", numbers_NM)
    encoded = [value.encode() for row in strings for value in row]
    seen_NK = found.cat_idx_NF if found.creative_idx_N is None else np.column_stack([found.cat_idx_NF, found.creative_idx_N])
    return Seen(
        text_lengths=np.array([len(value) for value in encoded], dtype=np.int64),
        text=b"".join(encoded),
        numbers_NM=numbers_NM,
        ids_NK=seen_NK,
        p_click_N=found.p_click_N,
        images=[],
        looked_at=[],
        graph_rows=batch,
    )


def replay(journal: Path, store: Path, *arguments: str) -> Replayed:
    """Run `lifecycle.replay` in the environment of serving. Raises ValueError if it says that something differs."""
    command = [str(VENV / "bin/python"), "-m", "lifecycle.replay", "--folder", str(journal), "--store", str(store), "--json"]
    started = os.times().elapsed
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen([*command, *arguments], stdout=said)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = os.times().elapsed - started
        said.seek(0)
        if process.returncode:
            raise ValueError(f"{' '.join([*command, *arguments])} ended with code {process.returncode}: {said.read()[-400:]}")
        totals = json.load(said)
    cpu_s = used.ru_utime + used.ru_stime
    return Replayed(totals=totals, seconds=seconds, cpu_s=cpu_s, peak_mib=used.ru_maxrss / 1024)


if __name__ == "__main__":
    served_main("bench-replay", measure)
