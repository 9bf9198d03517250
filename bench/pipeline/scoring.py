"""Rows a second of bulk scoring, from CSV and from Parquet, beside the build before work on its speed began.

Both score the same files with the same model, in turn; start-up is not counted. Their outputs have to have the same bytes.
"""

import hashlib
import io
import json
import os
import subprocess
import tarfile
from functools import partial
from pathlib import Path

import polars as pl

from bench.figures import Compared, Figure, at_least, in_turn, spread
from bench.workspace import PROJECT, MeasurementError, Workspace, workspace
from contracts.tables.parquet import ParquetRows

OLDER = "c6748df"  # chunks are scored one after the other, each cell by itself, 4,096 rows a call of the ranker
ROWS_PER_MONTH, PAIRS = 200_000, 5
WARM_UP = "2026-05"  # a month that is scored before, uncounted
BAR = 2.0
KINDS = {"CSV": "raw", "Parquet": "parquet"}


def measure(pairs: int = PAIRS) -> list[Figure]:
    """For each kind of file the ratio, ours, and the same in seconds of the processor."""
    with workspace([f"exchange.impressions_per_month={ROWS_PER_MONTH}", "export.batch_sizes=[1024]"]) as space:
        space.stages("acquire", "validate", "split", "fit", "encode")
        space.module("bench.training.untrained")
        space.stages("export")
        as_parquet(space.root / "data/raw", space.root / "data/parquet")
        unpack(OLDER, space.root / "older")
        return [row for kind in KINDS for row in compared(space, kind, pairs)]


def as_parquet(raw: Path, folder: Path) -> None:
    """The months' rows as Parquet files of texts."""
    for path in sorted(raw.glob("*/impressions.csv")):
        rows = pl.read_csv(path, infer_schema=False, encoding="utf8-lossy", truncate_ragged_lines=True)
        target = folder / path.parent.name / "impressions.parquet"
        target.parent.mkdir(parents=True)
        with ParquetRows(target) as writer:
            writer.write(rows)


def unpack(revision: str, folder: Path) -> None:
    """The code of a revision of this repository. Raises MeasurementError where the clone does not have it."""
    command = ["git", "-C", str(PROJECT), "archive", revision, "contracts", "stages"]
    made = subprocess.run(command, capture_output=True, check=False)
    if made.returncode:
        why = made.stderr.decode(errors="replace").strip()
        raise MeasurementError(f"the older build {revision} is not to be had from {PROJECT} ({why}); a whole clone has it")
    with tarfile.open(fileobj=io.BytesIO(made.stdout)) as files:
        files.extractall(folder, filter="data")


def compared(space: Workspace, kind: str, pairs: int) -> list[Figure]:
    cpu: dict[str, list[float]] = {"ours": [], "older": []}
    outputs: set[str] = set()
    rates = in_turn(
        partial(rate, space, kind, space.root, cpu["ours"], outputs),
        partial(rate, space, kind, space.root / "older", cpu["older"], outputs),
        pairs,
    )
    if len(outputs) > 1:
        raise MeasurementError(f"scores from {kind} are not those of {OLDER}, byte for byte: one of the two is wrong")
    by_cpu = Compared(ours=tuple(1 / s for s in cpu["ours"]), theirs=tuple(1 / s for s in cpu["older"]))
    return [
        at_least(
            f"bulk scoring from {kind}, start-up not counted, by {OLDER} (the same scores, byte for byte)",
            rates.ratio,
            BAR,
            rates.shown(2),
            f">= {BAR:g}x",
        ),
        Figure(what=f"the same in the processor's seconds, {spread(cpu['ours'], 's', 2)}", figure=by_cpu.shown(2)),
        Figure(what=f"bulk scoring from {kind}, {3 * ROWS_PER_MONTH:,} rows", figure=spread(rates.ours, "rows/s")),
    ]


def rate(space: Workspace, kind: str, code: Path, cpu_s: list[float], outputs: set[str]) -> float:
    """Rows a second by the clock, with the code of a folder; the processor's seconds and the output's digest are added."""
    folder, output = space.root / "data" / KINDS[kind], space.root / "scores.parquet"
    arguments = [str(path) for path in (space.root / "artifacts/export", folder, output, folder / WARM_UP)]
    paths = os.pathsep.join(map(str, (code, space.root)))  # the bench itself is always today's
    made = space.module("bench.pipeline.timed_scoring", *arguments, cwd=code, environment={"PYTHONPATH": paths})
    took = json.loads(made.stdout)
    cpu_s.append(took["cpu_s"])
    outputs.add(hashlib.sha256(output.read_bytes()).hexdigest())
    return took["rows"] / took["wall_s"]
