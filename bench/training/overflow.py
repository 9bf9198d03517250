"""Does it pay to hash values without an id of their own? The simulated exchange with small vocabularies, by what is hashed."""

if __name__ == "__main__":  # before matplotlib is imported, which Lightning does
    from contracts.local_libraries import keep_matplotlib_here

    keep_matplotlib_here()

import sys

import numpy as np
import polars as pl

from bench.figures import Figure
from bench.training.command import bench_training
from bench.training.histories import CONFIDENCE, RESAMPLES, row_losses
from bench.workspace import workspace
from stages.evaluation.bootstrap import Resampler

NAME = "bench-overflow"
WORLDS = (2026,)  # seeds of the exchange
SMALL = "features.max_values=300"
BASE = "unknown"
ASKED = {
    BASE: (),
    "hashed, users alone": ("features.overflow=hash", "features.overflow_columns=[user_id]"),
    "hashed, all columns": ("features.overflow=hash",),
}


def measure(rows: int, seeds: tuple[int, ...], overrides: list[str]) -> list[Figure]:
    """A row for each setting, over worlds of these seeds. Prints every one as it is judged."""
    found: list[Figure] = []
    for seed in seeds:
        world = [f"exchange.seed={seed}", f"exchange.impressions_per_month={rows}", SMALL, *overrides]
        with workspace(world) as space:
            space.stages("acquire", "validate", "split")
            losses = {}
            for name, asked in ASKED.items():
                space.compose([*world, *asked])
                losses[name] = row_losses(space)
                print(f"bench:   world {seed}, {name}: {losses[name].mean():.5f}", file=sys.stderr, flush=True)
            users = pl.read_parquet(space.root / "data/split/test.parquet", columns=["user_id"])["user_id"]
            found += figures(seed, losses, users)
    return found


def figures(seed: int, losses: dict[str, np.ndarray], users: pl.Series) -> list[Figure]:
    """Mean losses, and differences from `unknown` with intervals of a bootstrap of whole users."""
    code_N = users.cast(pl.String).rank("dense").to_numpy().astype(np.int64) - 1
    drawn = Resampler(
        num_rows=len(code_N), num_resamples=RESAMPLES, seed=1, num_threads=1, unit=code_N, num_units=int(code_N.max()) + 1
    )
    found = []
    for name, loss_N in losses.items():
        apart_N = loss_N - losses[BASE]
        weights = (drawn.weight(replicate) for replicate in range(RESAMPLES))
        means = [float((weight_N * apart_N).sum() / weight_N.sum()) for weight_N in weights]
        low, high = np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
        text = f"log-loss {loss_N.mean():.5f}" + (f", {apart_N.mean():+.5f} [{low:+.5f}, {high:+.5f}]" if name != BASE else "")
        found.append(Figure(what=f"world {seed}, {name}", figure=text))
    return found


if __name__ == "__main__":
    sys.exit(bench_training(NAME, __doc__.splitlines()[0], "worlds", WORLDS, measure))
