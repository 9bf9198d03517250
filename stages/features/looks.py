"""How bright, full of contrast, colourful and large the creatives were that training rows showed."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from contracts.serving.request import strings
from contracts.tables.images import ImageLooks, decoded, looks_of

MEASURED = ("brightness", "contrast", "colourfulness", "width", "height")
STEPS = 20  # between the quantiles: shares of 0, 0.05, ... 1
MOST_IMAGES, MOST_PIXELS = 2000, 20_000_000  # are looked at, some seconds' work; of more, as many as that are drawn


def looks_profile(clean_dir: Path, creatives: pl.Series, seed: int) -> dict[str, Any] | None:
    """21 quantiles, from the smallest to the largest, of each of MEASURED over the rows that show an image; None if none does.

    `creatives` are those of the training rows.
    """
    shown = strings(creatives).alias("creative_id").value_counts(name="rows")
    files = sorted(clean_dir.glob("*/creatives.parquet"))
    found = pl.concat([pl.read_parquet(path, columns=["creative_id"]) for path in files])["creative_id"].unique()
    shown = shown.filter(pl.col("creative_id").is_in(found.implode())).sort("creative_id")
    if shown.is_empty():
        return None
    drawn = shown[np.random.default_rng(seed).permutation(len(shown))[:MOST_IMAGES]]
    images: dict[str, bytes] = {}  # a creative comes again with every month it is shown in; it is measured once
    for path in files:
        part = pl.scan_parquet(path).filter(pl.col("creative_id").is_in(drawn["creative_id"].implode())).collect()
        images |= dict(part.iter_rows())
    measured = list(_within_budget(images[name] for name in drawn["creative_id"]))
    rows_C = drawn["rows"].to_numpy()[: len(measured)]
    return {
        name: weighted_quantiles(np.array([getattr(one, name) for one in measured], dtype=float), rows_C) for name in MEASURED
    }


def _within_budget(images: Iterable[bytes]) -> Iterator[ImageLooks]:
    """Looks of the images, until MOST_PIXELS have been looked at."""
    pixels = 0
    for content in images:
        look = looks_of(decoded(content))
        yield look
        pixels += look.width * look.height
        if pixels > MOST_PIXELS:
            return


def weighted_quantiles(values_C: np.ndarray, rows_C: np.ndarray) -> list[float]:
    """Of the values of rows, where a value stands for so many: the smallest value that has a share of them at or below it."""
    order = np.argsort(values_C, kind="stable")
    up_to_C = np.cumsum(rows_C[order])
    wanted = [max(-(-step * int(up_to_C[-1]) // STEPS), 1) for step in range(STEPS + 1)]
    place = np.searchsorted(up_to_C, wanted, side="left")
    return [float(f"{value:.6g}") for value in values_C[order][place]]
