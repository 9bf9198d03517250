"""How soon a fault that touches a share of the traffic is named by column and kind."""

import multiprocessing
from functools import partial

import numpy as np

from bench.figures import Figure
from bench.monitor.planted import FAULTS
from bench.monitor.scenes import Scene, scene
from bench.monitor.settings import BenchMonitorConfig
from bench.served.entry import say
from lifecycle.monitor.inputs.kinds import named
from lifecycle.monitor.inputs.verdicts import hits_at

CLEAN_ROWS = 60_000  # at most, before the fault
EARLIEST, LATEST = 0.2, 0.85  # part of the month in which it begins


def figures(config: BenchMonitorConfig) -> list[Figure]:
    with multiprocessing.get_context("spawn").Pool(config.workers, initializer=_begin, initargs=(config,)) as pool:
        return [
            _figure(name, pool.map(partial(_run, config, name), range(config.fault_runs)), config) for name in kinds_of(config)
        ]


def kinds_of(config: BenchMonitorConfig) -> tuple[str, ...]:
    return config.faults or tuple(FAULTS)


SCENE: list[Scene] = []  # of a worker: what all its runs share


def _begin(config: BenchMonitorConfig) -> None:
    SCENE.append(scene(config.seed, config.month_rows, config.columns))


def _run(config: BenchMonitorConfig, name: str, run: int) -> tuple[int | None, str]:
    return named_after(SCENE[0], name, run, config)


def _figure(name: str, rows: list[tuple[int | None, str]], config: BenchMonitorConfig) -> Figure:
    after = [number for number, _ in rows if number is not None]
    missed = sorted({column for number, column in rows if number is None})
    say(f"faults: {name} named in {len(after)} of {len(rows)} runs, missed in {missed}")
    median = f", after {np.median(after):,.0f} rows in the median" if after else ""
    return Figure(
        what=f"fault in {100 * config.fault_share:g} % of the traffic: {FAULTS[name][0]}",
        figure=f"named in {len(after)} of {len(rows)} runs{median}" + (f"; missed: {', '.join(missed)}" if missed else ""),
        bar=f">= {config.limits.named_runs:g} of 100 within {config.fault_rows:,} rows",
        met=100 * len(after) / len(rows) >= config.limits.named_runs,
    )


def named_after(one: Scene, fault: str, run: int, config: BenchMonitorConfig) -> tuple[int | None, str]:
    """After how many rows column and kind are named, None if they are not; and the column."""
    rng = np.random.default_rng([config.seed, run, list(FAULTS).index(fault)])
    month = one.month(luck=run)
    begin = int(rng.uniform(EARLIEST, LATEST) * (len(month) - config.fault_rows))
    rows = month[max(0, begin - CLEAN_ROWS) : begin + config.fault_rows]
    first = len(rows) - config.fault_rows
    hit_N = (np.arange(len(rows)) >= first) & (rng.random(len(rows)) < config.fault_share)
    broken, column, kinds = FAULTS[fault][1](rows, hit_N, rng)
    panel = one.counted(broken)
    until = np.cumsum(panel.rows_U)
    end_T = np.arange(int(np.searchsorted(until, first, side="right")) + 1, len(until) + 1)
    hits = hits_at(panel, end_T, one.config)
    for look in sorted({hit.look for hit in hits}):
        names = named([hit for hit in hits if hit.look == look], panel)
        if any(name.hit.column == column and name.kind in kinds for name in names):
            return int(until[end_T[look] - 1]) - first, column
    return None, column
