"""Impressions a second a core of the ad exchange, and rows a second of bulk scoring."""

from bench.figures import Figure, at_least, spread
from bench.workspace import workspace

MONTHS = 3
ROWS_PER_MONTH = (200_000, 1_000_000)
BAR = 200_000
SCORE_RUNS = 3


def measure() -> list[Figure]:
    """Processor time, not wall time, counts for the exchange: it must not hide behind a second core."""
    cpu_s = {}
    for size in reversed(ROWS_PER_MONTH):
        with workspace([f"exchange.impressions_per_month={size}", "export.batch_sizes=[1024]"]) as space:
            cpu_s[size] = space.stage("acquire").cpu_s
            if size == ROWS_PER_MONTH[0]:
                space.stages("validate", "split", "fit", "encode")
                space.module("bench.training.untrained")
                space.stages("export")
                scored_s = [space.stage("score", "data/raw", "scores.parquet").wall_s for _ in range(SCORE_RUNS)]
    small, large = ROWS_PER_MONTH
    marginal = MONTHS * (large - small) / (cpu_s[large] - cpu_s[small])
    whole = MONTHS * large / cpu_s[large]
    return [
        at_least(
            f"ad exchange, impressions a second a core ({MONTHS * large / 1e6:g} M, images and start-up included)",
            whole,
            BAR,
            f"{whole:,.0f}; {marginal:,.0f} for each further one",
            ">= 200,000",
        ),
        Figure(
            what=f"ad exchange, default size ({MONTHS * small / 1e6:g} M and 1,500 images)",
            figure=f"{cpu_s[small]:.1f} s of one core",
        ),
        Figure(
            what="bulk scoring from CSV, start-up included",
            figure=spread([MONTHS * small / s for s in scored_s], "rows/s"),
        ),
    ]
