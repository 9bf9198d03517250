"""Peak memory of validate, encode and score with 2,000 and with 200,000 images in a month, and the images a second of each beside
what Pillow's decoding alone gives.

Each stage is a process of its own. A further image's time is the difference of both sizes, so start-up and rows do not count.
"""

import os
import shutil
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image

from bench.figures import Figure
from bench.workspace import Ran, Workspace, workspace

SMALL, LARGE = 2_000, 200_000
SIDE, BLOCK = 128, 16  # pixels of an image and of its squares
ROWS = 200_000  # a month of what is validated and encoded, as by default
BAR_GROWTH, BAR_SPEED = 1.2, 0.9
MONTHS = ("2026-05", "2026-06", "2026-07")


def measure(small: int = SMALL, large: int = LARGE) -> list[Figure]:
    """For each stage a row for the memory and one for the speed."""
    with workspace([f"exchange.impressions_per_month={ROWS}", "export.batch_sizes=[1024]"]) as space:
        space.stage("acquire")
        space.stages("validate", "split", "fit", "encode")
        space.module("bench.training.untrained")
        space.stage("export")
        scored = [score(space, number, large) for number in (small, large)]
        alone, alone_cpu = map(float, space.module("bench.pipeline.pillow_alone", "to_score").stdout.split())
        checked, encoded = zip(*(weigh(space, number) for number in (small, large)), strict=True)
    found = {"validate": checked, "encode": encoded, "score": scored}
    return [
        Figure(what=f"Pillow alone, two threads, {SIDE} x {SIDE} pixels", figure=f"{alone:,.0f} images/s"),
        Figure(what="the same a second of the processor", figure=f"{alone_cpu:,.0f} images/s"),
        *(row for name, (few, many) in found.items() for row in rows(name, few, many, small, large, alone, alone_cpu)),
    ]


def weigh(space: Workspace, number: int) -> tuple[Ran, Ran]:
    """Validate and encode with so many more images in the first month, which no row shows."""
    draw(space.root / f"data/raw/{MONTHS[0]}/creatives", number)
    space.remove("data/clean", "data/encoded")
    checked = space.stage("validate")
    space.stages("split", "fit")
    return checked, space.stage("encode")


def score(space: Workspace, number: int, num_rows: int) -> Ran:
    """Score `num_rows` rows of so many creatives that the model does not know, each with its image."""
    folder = space.root / "to_score"
    shutil.rmtree(folder, ignore_errors=True)
    draw(folder / "creatives", number)
    month = pl.read_csv(space.root / f"data/raw/{MONTHS[-1]}/impressions.csv", infer_schema=False, encoding="utf8-lossy",
                        truncate_ragged_lines=True)  # fmt: skip
    whole = month[np.arange(num_rows) % len(month)]
    creatives = pl.Series("creative_id", [name_of(row % number) for row in range(num_rows)])
    keys = pl.Series("impression_id", range(num_rows)).cast(pl.String)
    whole.with_columns(creatives, keys).write_csv(folder / "impressions.csv")
    return space.stage("score", "to_score", "scores.parquet")


def draw(folder: Path, number: int) -> None:
    """So many PNG files of squares in colours by chance, no two alike; those that are there already stay."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for i in range(number):
        squares = rng.integers(0, 256, (SIDE // BLOCK, SIDE // BLOCK, 3), dtype=np.uint8)
        path = folder / f"{name_of(i)}.png"
        if not path.exists():
            pixels = squares.repeat(BLOCK, axis=0).repeat(BLOCK, axis=1)
            Image.fromarray(pixels).save(path, compress_level=1)


def name_of(number: int) -> str:
    return f"drawn-{number:06d}"


def rows(name: str, few: Ran, many: Ran, small: int, large: int, alone: float, alone_cpu: float) -> list[Figure]:
    growth = many.peak_mib / few.peak_mib
    speed = (large - small) / max(many.wall_s - few.wall_s, 1e-9)
    of_processor = (large - small) / max(many.cpu_s - few.cpu_s, 1e-9)
    return [
        Figure(
            what=f"peak memory of {name}, {large:,} images by {small:,} ({few.peak_mib:,.0f} MiB)",
            figure=f"{growth:.2f}x",
            bar=f"<= {BAR_GROWTH}x",
            met=growth <= BAR_GROWTH,
        ),
        Figure(
            what=f"{name}, further images a second on {os.cpu_count()} cores, by Pillow's decoding alone",
            figure=f"{speed:,.0f} images/s, {speed / alone:.2f}x",
            bar=f">= {BAR_SPEED}x",
            met=speed >= BAR_SPEED * alone,
        ),
        Figure(
            what="the same a second of the processor, which other programs do not slow down",
            figure=f"{of_processor:,.0f} images/s, {of_processor / alone_cpu:.2f}x",
        ),
    ]
