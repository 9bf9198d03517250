"""Watches a server under load from outside, once an interval: its Prometheus metrics, CPU time and memory of its processes.

Writes JSON lines, one a tick, whole and flushed: what a killed run had seen can be read.
`loadtests.observation.observed` reads them.
"""

import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil
import urllib3
from prometheus_client.parser import text_string_to_metric_families
from urllib3.exceptions import HTTPError

PREFIXES = ("nv_inference_", "nv_cache_", "adclick_")
LEFT_OUT = "adclick_predicted_probability"  # not a matter of load, and half of the page
SCRAPE_TIMEOUT_S = 2.0
MIB = 2**20
Groups = dict[str, list[int]]  # process ids by what they are: server, ctr_careful process, client


@dataclass
class Observer:
    """Observes from entry until one interval after exit, in a thread. Nothing that it meets raises: a line says what could
    not be seen.
    """

    metrics_url: str  # http://host:port/metrics
    pids_of: Callable[[], Groups]  # asked at every tick; an empty list means that such processes were not found
    output: Path  # lines are appended
    interval_s: float
    _ended: threading.Event = field(default_factory=threading.Event, init=False)

    def __enter__(self) -> "Observer":
        self.output.parent.mkdir(parents=True, exist_ok=True)
        torn = is_torn(self.output)
        self._file = self.output.open("a", encoding="utf-8")
        self._file.write("\n" if torn else "")  # a killed observer's last line stays alone
        self._pool = urllib3.PoolManager(timeout=SCRAPE_TIMEOUT_S, retries=False, maxsize=1)
        self._known: dict[int, psutil.Process] = {}
        self._thread = threading.Thread(target=self._watch, name="observer", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join(2 * (SCRAPE_TIMEOUT_S + self.interval_s))
        if not self._thread.is_alive():
            self._file.close()
            self._pool.clear()

    def _watch(self) -> None:
        due = time.monotonic()
        while True:
            if ending := self._ended.is_set():
                time.sleep(self.interval_s)  # the models add up their counts once a second: the last look must see all
            self._file.write(json.dumps(self._tick(), separators=(",", ":")) + "\n")
            self._file.flush()
            if ending:
                return
            due = max(due + self.interval_s, time.monotonic())  # ticks that a slow scrape cost are not made up for
            self._ended.wait(due - time.monotonic())

    def _tick(self) -> dict[str, Any]:
        line: dict[str, Any] = {"at_s": time.monotonic()}
        try:
            line["metrics"] = scrape(self._pool, self.metrics_url)
        except (HTTPError, ValueError) as error:
            line["metrics_missing"] = f"{type(error).__name__}: {error}"
        try:
            groups = self.pids_of()
            line["processes_at_s"] = time.monotonic()
            line["processes"] = {name: self._sizes(pids) for name, pids in groups.items()}
        except (psutil.Error, OSError, ValueError) as error:
            line["processes_missing"] = f"{type(error).__name__}: {error}"
        line["machine_at_s"] = time.monotonic()
        line["machine"] = machine_load()
        return line

    def _sizes(self, pids: list[int]) -> list[dict[str, float]]:
        """CPU seconds and memory of those of `pids` that live and may be looked at."""
        found = []
        for pid in pids:
            try:
                process = self._known.get(pid)
                if process is None or not process.is_running():  # also False if another process has the number now
                    process = self._known[pid] = psutil.Process(pid)
                found.append(process_size(process))
            except psutil.Error:
                self._known.pop(pid, None)
        return found


def is_torn(path: Path) -> bool:
    """Does the file end in the middle of a line."""
    if not path.is_file() or not path.stat().st_size:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() != b"\n"


def scrape(pool: urllib3.PoolManager, url: str) -> dict[str, dict[str, float]]:
    """Values by metric and labels ("model=ctr,version=1"). Raises HTTPError or ValueError if there is no such page."""
    answer = pool.request("GET", url, headers={"Connection": "close"})  # Triton waits for open connections when it ends
    if answer.status != 200:
        raise ValueError(f"{url} answered with HTTP {answer.status}")
    found: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(answer.data.decode("utf-8")):
        for sample in family.samples:
            if sample.name.startswith(PREFIXES) and not sample.name.startswith(LEFT_OUT):
                labels = ",".join(f"{name}={sample.labels[name]}" for name in sorted(sample.labels))
                name = sample.name.removesuffix("_total") if sample.name.startswith("nv_") else sample.name  # the parser's ending
                found.setdefault(name, {})[labels] = sample.value
    return found


def process_size(process: psutil.Process) -> dict[str, float]:
    """One process: `cpu_s` since its start, `age_s`, `rss_mib`.

    Where that may be read also `pss_mib`, in which shared pages are divided among those who share them, and `uss_mib`,
    in which they are left out.
    """
    with process.oneshot():
        cpu = process.cpu_times()
        size = {
            "pid": process.pid,
            "cpu_s": cpu.user + cpu.system,
            "age_s": round(time.time() - process.create_time(), 3),
            "threads": process.num_threads(),
        }
        try:
            memory = process.memory_full_info()
            size |= {"pss_mib": memory.pss / MIB, "uss_mib": memory.uss / MIB}
        except psutil.AccessDenied:
            memory = process.memory_info()
        return size | {"rss_mib": memory.rss / MIB}


def machine_load() -> dict[str, float]:
    """CPU seconds of the whole machine since its start: what was used, by whomever, and what its host took away."""
    times = psutil.cpu_times()
    idle = times.idle + getattr(times, "iowait", 0.0)
    stolen = getattr(times, "steal", 0.0)
    busy = sum(times[:8]) - idle - stolen if len(times) > 7 else sum(times) - idle  # guest time is part of user time
    return {
        "cores": len(os.sched_getaffinity(0)),
        "busy_s": round(busy, 2),
        "stolen_s": round(stolen, 2),
        "available_mib": psutil.virtual_memory().available / MIB,
    }
