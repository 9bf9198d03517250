"""How bright, full of contrast, colourful and large the creatives were that training rows showed."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from contracts.serving.request import strings
from contracts.tables.images import decoded, looks_of

MEASURED = ("brightness", "contrast", "colourfulness", "width", "height")
STEPS = 20  # between the quantiles: shares of 0, 0.05, ... 1
MOST_IMAGES = 2000  # are decoded; of more, so many are drawn


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
    if len(shown) > MOST_IMAGES:
        shown = shown[np.sort(np.random.default_rng(seed).choice(len(shown), MOST_IMAGES, replace=False))]
    images: dict[str, bytes] = {}  # a creative comes again with every month it is shown in; it is measured once
    for path in files:
        part = pl.scan_parquet(path).filter(pl.col("creative_id").is_in(shown["creative_id"].implode())).collect()
        images |= dict(part.iter_rows())
    looks = [looks_of(decoded(images[name])) for name in shown["creative_id"]]
    rows_C = shown["rows"].to_numpy()
    return {name: weighted_quantiles(np.array([getattr(one, name) for one in looks], dtype=float), rows_C) for name in MEASURED}


def weighted_quantiles(values_C: np.ndarray, rows_C: np.ndarray) -> list[float]:
    """Of the values of rows, where a value stands for so many: the smallest value that has a share of them at or below it."""
    order = np.argsort(values_C, kind="stable")
    up_to_C = np.cumsum(rows_C[order])
    wanted = [max(-(-step * int(up_to_C[-1]) // STEPS), 1) for step in range(STEPS + 1)]
    place = np.searchsorted(up_to_C, wanted, side="left")
    return [float(f"{value:.6g}") for value in values_C[order][place]]
