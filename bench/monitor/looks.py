"""What the journal would say of the images of a simulated month: looks of the creatives that the model did not know.

Shape letters: C creatives, H and W image height and width.
"""

import numpy as np
import polars as pl

from bench.monitor.months import Exchange
from contracts.tables.images import LUMA
from stages.simulate.creatives import live_creatives
from stages.simulate.images import render
from stages.simulate.months import month_index

EMBEDDING = 8


def looks_of(world: Exchange, month: str) -> pl.DataFrame:
    """A row for each creative that is live in the month."""
    config = world.config
    creatives = live_creatives(config, world.world, month_index(month), since_idx=month_index(config.first_month))
    parts = []
    for chunk, pixels_CHW3 in render(creatives, np.arange(len(creatives)), config.image_size_px):
        rgb_C3HW = pixels_CHW3.astype(np.float32).transpose(0, 3, 1, 2)
        luma_CHW = np.tensordot(np.array(LUMA, dtype=np.float32), rgb_C3HW, axes=(0, 1)) / 255
        rg, yb = rgb_C3HW[:, 0] - rgb_C3HW[:, 1], (rgb_C3HW[:, 0] + rgb_C3HW[:, 1]) / 2 - rgb_C3HW[:, 2]
        spread = np.sqrt(rg.var(axis=(1, 2)) + yb.var(axis=(1, 2)))
        colours = spread + 0.3 * np.sqrt(rg.mean(axis=(1, 2)) ** 2 + yb.mean(axis=(1, 2)) ** 2)
        brightness, contrast = luma_CHW.mean(axis=(1, 2)), luma_CHW.std(axis=(1, 2))
        made_up = np.stack([np.sin(7 * (k + 1) * brightness + 5 * contrast + colours / 20) for k in range(EMBEDDING)], axis=1)
        parts.append(
            pl.DataFrame(
                {
                    "creative_id": creatives.creative_id_C[chunk],
                    "image_brightness": brightness,
                    "image_contrast": contrast,
                    "image_colourfulness": colours,
                    "image_embedding": pl.Series(made_up.astype(np.float32).tolist(), dtype=pl.List(pl.Float32)),
                }
            )
        )
    size = pl.lit(config.image_size_px, pl.UInt32)
    return pl.concat(parts).with_columns(image_width=size, image_height=size, image_format=pl.lit("PNG"))


def with_looks(rows: pl.DataFrame, looks: pl.DataFrame, known: pl.Series | None = None) -> pl.DataFrame:
    """The rows with the looks of their images, where the creative is not among the known."""
    if known is not None:
        looks = looks.filter(~pl.col("creative_id").is_in(known.unique().to_list()))
    return rows.join(looks, on="creative_id", how="left", maintain_order="left")
