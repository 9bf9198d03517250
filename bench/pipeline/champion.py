"""Time of stage compare on 200,000 test rows with 300 resamples, and its memory on 10 million.

Both models are untrained: what comparing costs does not depend on what they learnt.
"""

import shutil
from pathlib import Path

import pyarrow.parquet as pq

from bench.figures import Figure, at_most
from bench.workspace import MeasurementError, Workspace, workspace
from contracts.tables.parquet import ParquetRows
from stages.files import read_json

MONTHS = 3
ROWS = 200_000  # of the test split, one month
SMALL, LARGE = 1_000_000, 10_000_000  # test rows
BAR_S, BAR_MIB = 30.0, 3 * 1024
BEFORE = ("acquire", "validate", "split", "fit", "encode")
SPLITS = ("train", "val", "test")


def overrides(rows_per_month: int) -> list[str]:
    return [f"exchange.impressions_per_month={rows_per_month}", "export.batch_sizes=[1024]", "compare.num_resamples=300"]


def measure(rows: int = ROWS, small_rows: int = SMALL, large_rows: int = LARGE) -> list[Figure]:
    with workspace(overrides(rows)) as space:
        prepare(space)
        took = space.stage("compare")
        refuse_unscored(space)
        found = [
            at_most(
                f"compare on {rows:,} test rows, 300 resamples, processor time of all threads",
                took.cpu_s,
                BAR_S,
                f"{took.cpu_s:.1f} s; {took.wall_s:.1f} s by the clock, {took.peak_mib:,.0f} MiB",
                "<= 30 s",
            )
        ]
        small, large = (weigh(space, number) for number in (small_rows, large_rows))
    million = f"{large_rows / 1e6:g} M"
    return [
        *found,
        at_most(f"peak memory of compare, {million} test rows", large, BAR_MIB, f"{large:,.0f} MiB", "<= 3 GiB"),
        Figure(what=f"the same by that of {small_rows / 1e6:g} M rows ({small:,.0f} MiB)", figure=f"{large / small:.2f}x"),
    ]


def prepare(space: Workspace) -> None:
    """Two exports of the same data: a champion and a candidate."""
    space.stages(*BEFORE)
    export(space)
    root, champion = space.root, space.root / "champion/model"
    shutil.copytree(root / "artifacts/export", champion / "export")
    for name in ("artifacts/reference_profile.json", "reports/split.json"):
        shutil.copy(root / name, champion)
    for name in ("evaluation.json", "promotion.json"):
        (champion / name).write_text("{}")
    (root / "reports/evaluation.json").write_text("{}")
    export(space)


def export(space: Workspace) -> None:
    space.module("bench.training.untrained")
    space.stage("export")


def weigh(space: Workspace, num_rows: int) -> float:
    """Peak memory, MiB, of comparing both models on so many test rows: those of simulated months, as many as are needed."""
    with workspace(overrides(num_rows // MONTHS)) as other:
        other.stages("acquire", "validate", "split")
        all_rows_as_test(other.root / "data/split")
        for name in ("artifacts", "champion"):
            shutil.copytree(space.root / name, other.root / name)
        for name in ("split.json", "evaluation.json"):
            shutil.copy(space.root / "reports" / name, other.root / "reports" / name)
        peak_mib = other.stage("compare").peak_mib
        refuse_unscored(other)
        return peak_mib


def refuse_unscored(space: Workspace) -> None:
    """Raise MeasurementError if the stage needed no row for its verdict, as for two exports of the same weights."""
    found = read_json(space.root / "reports/comparison.json")
    if "overall" not in found:
        raise MeasurementError(f"compare scored no row: {found['verdict']}: {found['reasons'][0]}")


def all_rows_as_test(folder: Path) -> None:
    """Put the rows of all splits into test.parquet."""
    whole = folder / "whole.parquet"
    with ParquetRows(whole) as writer:
        for name in SPLITS:
            for rows in pq.ParquetFile(folder / f"{name}.parquet").iter_batches():
                writer.write(rows)
    whole.replace(folder / "test.parquet")
