"""Peak memory of validate, encode and score on 1 and on 10 million rows of simulated data, each as a process of its own."""

import shutil

from bench.figures import Figure
from bench.workspace import Ran, Workspace, workspace

MONTHS = 3
SMALL, LARGE = 1_000_000, 10_000_000
BAR_MIB, BAR_GROWTH = 3 * 1024, 1.3
WEIGHED = ("validate", "encode", "score")


def overrides(num_rows: int) -> list[str]:
    return [f"exchange.impressions_per_month={num_rows // MONTHS}", "export.batch_sizes=[1024]"]


def measure(small_rows: int = SMALL, large_rows: int = LARGE) -> list[Figure]:
    """One row a stage for the size and one for the growth. Both sizes use the encoder and the model of the small one."""
    with workspace(overrides(small_rows)) as small, workspace(overrides(large_rows)) as large:
        small.stages("acquire")
        at_small = {"validate": small.stage("validate")}
        small.stages("split", "fit")
        at_small["encode"] = small.stage("encode")
        small.module("bench.untrained")
        small.stages("export")
        at_small["score"] = score(small)
        shutil.copytree(small.root / "artifacts", large.root / "artifacts")
        large.stages("acquire")
        at_large = {"validate": large.stage("validate")}
        large.stages("split")
        at_large["encode"] = large.stage("encode")
        large.remove("data/encoded", "data/split", "data/clean")
        at_large["score"] = score(large)
    return [row for name in WEIGHED for row in rows(name, at_small[name], at_large[name], small_rows, large_rows)]


def score(space: Workspace) -> Ran:
    return space.stage("score", "data/raw", "scores.parquet")


def rows(name: str, small: Ran, large: Ran, small_rows: int, large_rows: int) -> list[Figure]:
    growth = large.peak_mib / small.peak_mib
    million = f"{large_rows / 1e6:g} M"
    return [
        Figure(what=f"peak memory of {name}, {million} rows", figure=f"{large.peak_mib:,.0f} MiB", bar="<= 3 GiB", met=large.peak_mib <= BAR_MIB),
        Figure(
            what=f"the same by that of {small_rows / 1e6:g} M rows ({small.peak_mib:,.0f} MiB)",
            figure=f"{growth:.2f}x; {large_rows / large.wall_s:,.0f} rows/s",
            bar="<= 1.3x",
            met=growth <= BAR_GROWTH,
        ),
    ]
