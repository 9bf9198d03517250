"""What a look at many served rows costs: a process of its own, on one core, from the journal's files to the report."""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import polars as pl

from bench.figures import Figure, at_most
from bench.monitor.scenes import Scene, scene
from bench.monitor.settings import BenchMonitorConfig
from contracts.lifecycle.monitor import MonitorConfig
from contracts.params import read_section
from contracts.tables.parquet import ParquetRows
from lifecycle.monitor.findings import Context
from lifecycle.monitor.inputs.area import look

GIB = 2**30


def figures(config: BenchMonitorConfig) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="adclick-monitor-") as name:
        folder = Path(name)
        columns = write_journal(scene(config.seed, config.month_rows), config.speed_rows, folder)
        environment = os.environ | {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path.cwd())}
        command = [sys.executable, "-m", "bench.monitor.speed", str(folder)]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    what, limits = f"monitor of {config.speed_rows:,} served rows x {columns} columns", config.limits
    return [
        at_most(f"{what}: processor time", found["cpu_s"], limits.seconds, _seconds(found), f"<= {limits.seconds:g} s"),
        at_most(f"{what}: memory", found["gib"], limits.gib, f"{found['gib']:.2f} GiB", f"<= {limits.gib:g} GiB"),
    ]


def _seconds(found: dict[str, float]) -> str:
    return f"{found['cpu_s']:.1f} s ({found['wall_s']:.1f} s by the clock)"


def write_journal(one: Scene, rows: int, folder: Path) -> int:
    """A journal of a month with so many rows, an hour a file, and the release's profile; how many columns are watched."""
    month = replace(one, month_rows=rows).month(luck=1)
    for (hour,), part in month.group_by(pl.col("answered_at").dt.truncate("1h"), maintain_order=True):
        path = folder / f"journal/served/answered_day={hour:%Y-%m-%d}/answered_hour={hour:%H}/0.parquet"
        path.parent.mkdir(parents=True)
        with ParquetRows(path) as file:
            file.write(part)
    profile = folder / "store/ctr/1/profile.json"
    profile.parent.mkdir(parents=True)
    profile.write_text(json.dumps(one.profile))
    return len(one.profile["columns"])


def looked(folder: Path) -> dict[str, float]:
    """Time and memory of a first look."""
    from contracts.dataset.declaration import Declaration
    from stages.settings import load_section

    context = Context(
        declaration=load_section("data", Declaration),
        config=read_section("monitor", MonitorConfig),
        journal=folder / "journal",
        feedback=folder,
        store=folder / "store",
        state=folder / "monitor",
        now_ns=time.time_ns(),
    )
    began, cpu = time.perf_counter(), time.process_time()
    look(context)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"wall_s": time.perf_counter() - began, "cpu_s": time.process_time() - cpu, "gib": peak / GIB}


if __name__ == "__main__":
    print(json.dumps(looked(Path(sys.argv[1]))))
