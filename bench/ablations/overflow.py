"""Does it pay to hash values without an id of their own? The simulated exchange with small vocabularies, by what is hashed."""

if __name__ == "__main__":  # before matplotlib is imported, which Lightning does
    from contracts.local_libraries import keep_matplotlib_here

    keep_matplotlib_here()

import sys

import polars as pl

from bench.ablations.command import bench_training
from bench.ablations.histories import row_losses
from bench.ablations.losses import loss_figures
from bench.figures import Figure
from bench.workspace import workspace

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
            found += loss_figures(f"world {seed}, values without an id", losses, users)
    return found


if __name__ == "__main__":
    sys.exit(bench_training(NAME, __doc__.splitlines()[0], "worlds", WORLDS, measure))
