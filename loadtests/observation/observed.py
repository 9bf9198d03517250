"""Reads what `loadtests.observation.observe` wrote as tables, with what was gained between two looks and how fast."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

METRICS = {"at_s": pl.Float64, "name": pl.String, "labels": pl.String, "value": pl.Float64}
PROCESSES = {
    "at_s": pl.Float64,
    "group": pl.String,
    "pid": pl.Int64,
    "cpu_s": pl.Float64,
    "age_s": pl.Float64,
    "threads": pl.Int64,
    "rss_mib": pl.Float64,
    "pss_mib": pl.Float64,
    "uss_mib": pl.Float64,
}
MACHINE = {"at_s": pl.Float64, "cores": pl.Int64, "busy_s": pl.Float64, "stolen_s": pl.Float64, "available_mib": pl.Float64}
MISSING = {"at_s": pl.Float64, "what": pl.String, "reason": pl.String}


@dataclass(frozen=True, kw_only=True)
class Observations:
    """Tables in order of time; `at_s` is CLOCK_MONOTONIC. A gain is null where there was nothing to compare with.

    `metrics`: at_s, name, labels ("model=ctr,version=1"), model, version, value, gain, elapsed_s, rate (gain a second).
    A counter that fell began anew, so that what it shows is its gain. For gauges only `value` has a meaning.
    `processes`: at_s, group, pid, cpu_s, age_s, threads, rss_mib, pss_mib and uss_mib (null where not permitted), gain_s,
    elapsed_s, cores (CPU seconds a second).
    `machine`: at_s, cores (that this process may use), busy_s, stolen_s, available_mib, elapsed_s, busy_cores, stolen_cores.
    `missing`: at_s, what (metrics, processes or a group's name), reason; the looks that saw nothing.
    """

    metrics: pl.DataFrame
    processes: pl.DataFrame
    machine: pl.DataFrame
    missing: pl.DataFrame


def read_observations(path: Path) -> Observations:
    """What was seen; empty tables if the file is missing. Lines that a kill tore are left out."""
    lines = read_lines(path)
    return Observations(
        metrics=with_rates(metric_rows(lines)),
        processes=with_cores(process_rows(lines)),
        machine=with_load(machine_rows(lines)),
        missing=missing_rows(lines),
    )


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a file of JSON objects, those that are torn left out."""
    found = []
    for text in path.read_bytes().splitlines() if path.is_file() else ():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict) and {"at_s", "machine_at_s"} <= line.keys():
            found.append(line)
    return found


def metric_rows(lines: list[dict[str, Any]]) -> pl.DataFrame:
    rows = [
        (line["at_s"], name, labels, value)
        for line in lines
        for name, series in line.get("metrics", {}).items()
        for labels, value in series.items()
    ]
    return pl.DataFrame(rows, schema=METRICS, orient="row")


def with_rates(rows: pl.DataFrame) -> pl.DataFrame:
    """Gains between neighbouring scrapes that succeeded. A series that was not there at the one before began at 0."""
    scrapes = rows.select("at_s").unique().sort("at_s").with_columns(before_s=pl.col("at_s").shift())
    value, before = pl.col("value"), pl.col("value").shift().over("name", "labels", order_by="at_s")
    seen = pl.col("at_s").shift().over("name", "labels", order_by="at_s") == pl.col("before_s")
    start = pl.when(seen.fill_null(False) & (value >= before)).then(before).otherwise(0.0)
    return (
        rows.join(scrapes, on="at_s", how="left")
        .with_columns(
            model=pl.col("labels").str.extract(r"(?:^|,)model=([^,]*)"),
            version=pl.col("labels").str.extract(r"(?:^|,)version=([^,]*)"),
            elapsed_s=pl.col("at_s") - pl.col("before_s"),
            gain=pl.when(pl.col("before_s").is_not_null()).then(value - start),
        )
        .with_columns(rate=pl.col("gain") / pl.col("elapsed_s"))
        .select("at_s", "name", "labels", "model", "version", "value", "gain", "elapsed_s", "rate")
        .sort("at_s", "name", "labels")
    )


def process_rows(lines: list[dict[str, Any]]) -> pl.DataFrame:
    rows = [
        (line["processes_at_s"], group, *(one.get(name) for name in [*PROCESSES][2:]))
        for line in lines
        for group, processes in line.get("processes", {}).items()
        for one in processes
    ]
    return pl.DataFrame(rows, schema=PROCESSES, orient="row")


def with_cores(rows: pl.DataFrame) -> pl.DataFrame:
    """CPU seconds between neighbouring looks. Those of a process that was born after the look before all count."""
    looks = rows.select("at_s").unique().sort("at_s").with_columns(before_s=pl.col("at_s").shift())
    of_process = {"partition_by": ["group", "pid"], "order_by": "at_s"}
    before, cpu = pl.col("cpu_s").shift().over(**of_process), pl.col("cpu_s")
    elapsed = pl.col("at_s") - pl.col("before_s")
    seen = (pl.col("at_s").shift().over(**of_process) == pl.col("before_s")).fill_null(False) & (cpu >= before)
    return (
        rows.join(looks, on="at_s", how="left")
        .with_columns(
            elapsed_s=elapsed, gain_s=pl.when(seen).then(cpu - before).when(pl.col("age_s") <= elapsed).then(cpu).otherwise(None)
        )
        .with_columns(cores=pl.col("gain_s") / pl.col("elapsed_s"))
        .drop("before_s")
        .sort("at_s", "group", "pid")
    )


def machine_rows(lines: list[dict[str, Any]]) -> pl.DataFrame:
    rows = [(line["machine_at_s"], *(line["machine"].get(name) for name in [*MACHINE][1:])) for line in lines]
    return pl.DataFrame(rows, schema=MACHINE, orient="row")


def with_load(rows: pl.DataFrame) -> pl.DataFrame:
    """Busy and stolen cores between neighbouring looks."""
    rows = rows.sort("at_s").with_columns(elapsed_s=pl.col("at_s").diff())
    return rows.with_columns(
        busy_cores=pl.col("busy_s").diff() / pl.col("elapsed_s"),
        stolen_cores=pl.col("stolen_s").diff() / pl.col("elapsed_s"),
    )


def missing_rows(lines: list[dict[str, Any]]) -> pl.DataFrame:
    rows = [
        (line["at_s"], what, line[f"{what}_missing"])
        for line in lines
        for what in ("metrics", "processes")
        if f"{what}_missing" in line
    ]
    rows += [
        (line["at_s"], group, "no such process was found, or it may not be looked at")
        for line in lines
        for group, processes in line.get("processes", {}).items()
        if not processes
    ]
    return pl.DataFrame(rows, schema=MISSING, orient="row")
