"""Peak memory of validate, encode and score on 1 and on 10 million rows of simulated data.

Each stage is a process of its own."""

import shutil

from bench.figures import Figure
from bench.parts import PartFailed
from bench.workspace import MeasurementError, Ran, Workspace, workspace

MONTHS = 3
SMALL, LARGE = 1_000_000, 10_000_000
BAR_MIB, BAR_GROWTH = 3 * 1024, 1.3
WEIGHED = ("validate", "encode", "score")


def overrides(num_rows: int) -> list[str]:
    return [f"exchange.impressions_per_month={num_rows // MONTHS}", "export.batch_sizes=[1024]"]


def measure(small_rows: int = SMALL, large_rows: int = LARGE) -> list[Figure]:
    """Two rows a stage, for the size and for the growth. Both sizes use the encoder and the model of the small one."""
    with workspace(overrides(small_rows)) as small, workspace(overrides(large_rows)) as large:
        small.stage("acquire")
        at_small = {"validate": small.stage("validate")}
        small.stages("split", "fit")
        at_small["encode"] = small.stage("encode")
        small.module("bench.training.untrained")
        small.stage("export")
        at_small["score"] = score(small)
        shutil.copytree(small.root / "artifacts", large.root / "artifacts")
        large.stage("acquire")
        found: list[Figure] = []
        try:
            for name in WEIGHED:
                found += rows(name, at_small[name], weigh(large, name), small_rows, large_rows)
        except MeasurementError as error:
            raise PartFailed(str(error), found) from error
    return found


def weigh(space: Workspace, name: str) -> Ran:
    """Run one of the weighed stages on what those before it left, and make room for the next."""
    if name == "score":
        space.remove("data/encoded", "data/split", "data/clean")
        return score(space)
    if name == "encode":
        space.stage("split")
    return space.stage(name)


def score(space: Workspace) -> Ran:
    return space.stage("score", "data/raw", "scores.parquet")


def rows(name: str, small: Ran, large: Ran, small_rows: int, large_rows: int) -> list[Figure]:
    growth = large.peak_mib / small.peak_mib
    million = f"{large_rows / 1e6:g} M"
    return [
        Figure(
            what=f"peak memory of {name}, {million} rows",
            figure=f"{large.peak_mib:,.0f} MiB",
            bar="<= 3 GiB",
            met=large.peak_mib <= BAR_MIB,
        ),
        Figure(
            what=f"the same by that of {small_rows / 1e6:g} M rows ({small.peak_mib:,.0f} MiB)",
            figure=f"{growth:.2f}x; {large_rows / large.wall_s:,.0f} rows/s",
            bar="<= 1.3x",
            met=growth <= BAR_GROWTH,
        ),
    ]
