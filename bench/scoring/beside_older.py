"""Rows a second of bulk scoring, from CSV and from Parquet, beside the build before work on its speed began, and of JSON lines.

Both score the same files with the same model, in turn; start-up is not counted. Their outputs have to have the same bytes.
"""

import hashlib
import io
import json
import os
import subprocess
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

from bench.figures import Compared, Figure, at_least, in_turn, spread
from bench.workspace import PROJECT, MeasurementError, Workspace, workspace

OLDER = "c6748df"  # chunks are scored one after the other, each cell by itself, 4,096 rows a call of the ranker
ROWS_PER_MONTH, PAIRS = 200_000, 5
WARM_UP = "2026-05"  # a month that is scored before, uncounted
BAR = 2.0
KINDS = {"CSV": "raw", "Parquet": "parquet"}


def measure(pairs: int = PAIRS) -> list[Figure]:
    """For each kind of file the ratio, ours, and the same in seconds of the processor; then how fast JSON lines are read."""
    with workspace([f"exchange.impressions_per_month={ROWS_PER_MONTH}", "export.batch_sizes=[1024]"]) as space:
        space.stages("acquire", "validate", "split", "fit", "encode")
        space.module("bench.training.untrained")
        space.stages("export")
        space.module("bench.scoring.other_kinds")
        unpack(OLDER, space.root / "older")
        return [*(row for kind in KINDS for row in compared(space, kind, pairs)), *lines(space, pairs)]


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
    ours, older = (
        ScoringRuns(space=space, kind=kind, code=space.root),
        ScoringRuns(space=space, kind=kind, code=space.root / "older"),
    )
    rates = in_turn(ours.rate, older.rate, pairs)
    if len(ours.outputs | older.outputs) > 1:
        raise MeasurementError(f"scores from {kind} are not those of {OLDER}, byte for byte: one of the two is wrong")
    by_cpu = Compared(ours=tuple(1 / s for s in ours.cpu_s), theirs=tuple(1 / s for s in older.cpu_s))
    return [
        at_least(
            f"bulk scoring from {kind}, start-up not counted, by {OLDER} (the same scores, byte for byte)",
            rates.ratio,
            BAR,
            rates.shown(2),
            f">= {BAR:g}x",
        ),
        Figure(what=f"the same in the processor's seconds, {spread(ours.cpu_s, 's', 2)}", figure=by_cpu.shown(2)),
        Figure(what=f"of these the ranker alone (older: {spread(older.rank_s, 's', 2)})", figure=spread(ours.rank_s, "s", 2)),
        Figure(what=f"bulk scoring from {kind}, {3 * ROWS_PER_MONTH:,} rows", figure=spread(rates.ours, "rows/s")),
    ]


@dataclass(frozen=True, kw_only=True)
class ScoringRuns:
    """What scoring with the code of a folder took and gave so far."""

    space: Workspace
    kind: str
    code: Path
    cpu_s: list[float] = field(default_factory=list)
    rank_s: list[float] = field(default_factory=list)  # of that in the ranker
    outputs: set[str] = field(default_factory=set)  # digests

    def rate(self) -> float:
        """Rows a second by the clock of another run."""
        root = self.space.root
        folder, output = root / "data" / KINDS[self.kind], root / "scores.parquet"
        arguments = [str(path) for path in (root / "artifacts/export", folder, output, folder / WARM_UP)]
        paths = os.pathsep.join(map(str, (self.code, root)))  # the bench itself is always today's
        environment = {"PYTHONPATH": paths}
        made = self.space.module("bench.scoring.timed_scoring", *arguments, cwd=self.code, environment=environment)
        took = json.loads(made.stdout)
        self.cpu_s.append(took["cpu_s"])
        self.rank_s.append(took["rank_s"])
        self.outputs.add(hashlib.sha256(output.read_bytes()).hexdigest())
        return took["rows"] / took["wall_s"]


def lines(space: Workspace, pairs: int) -> list[Figure]:
    """JSON lines, which the older build does not know, beside the same with each line parsed."""
    made = space.module("bench.scoring.timed_lines", "data/lines/impressions.jsonl", str(pairs))
    took = json.loads(made.stdout)
    found = Compared(ours=tuple(took["ours"]), theirs=tuple(took["theirs"]))
    what = f"JSON lines read and checked, {ROWS_PER_MONTH:,} rows, a second of the processor"
    return [
        Figure(what=what, figure=spread(found.ours, "rows/s")),
        Figure(what="the same by that with each line parsed", figure=found.shown(2)),
    ]
