"""Writes a month of page views: FOLDER/<month>/pages.parquet, creatives/*.png, and drawn.json, which says from what."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image

from stages.files import atomic_folder, read_json, sha256_code, write_json
from stages.pages.draw import PageViews, draw_page_views
from stages.pages.faults import WorldFault, dimmed
from stages.parquet import write_parquet
from stages.simulate.config import ExchangeConfig
from stages.simulate.images import render, write_images
from stages.simulate.months import month_index
from stages.simulate.table import impression_ids, impressions_table

PAGES, IMAGES, NOTE = "pages.parquet", "creatives", "drawn.json"
ROOT = Path(__file__).parents[2]
CODE = tuple(
    ROOT / name
    for name in ("contracts/tables/parquet.py", "stages/files.py", "stages/parquet.py", "stages/pages", "stages/simulate")
)
LIBRARIES = ("numpy", "pillow", "polars", "pyarrow")


def write_pages(
    config: ExchangeConfig, month: str, num_pages: int, num_candidates: int, fault: WorldFault | None, folder: Path
) -> bool:
    """Write the month, unless it is there already, made from the same: then False."""
    made_from = origin(config, num_pages, num_candidates, fault)
    note = folder / month / NOTE
    if note.is_file() and read_json(note)["made_from"] == made_from:
        return False
    views = draw_page_views(config, month, num_pages, num_candidates, fault)
    with atomic_folder(folder / month) as partial:
        write_parquet(partial / PAGES, pages_table(views, month))
        (partial / IMAGES).mkdir()
        write_page_images(config, views, fault, partial / IMAGES)
        write_json(partial / NOTE, {"made_from": made_from, "pages": num_pages, "candidates": num_candidates})
    return True


def origin(config: ExchangeConfig, num_pages: int, num_candidates: int, fault: WorldFault | None) -> str:
    """A digest of all that a month's page views follow from, beside the month."""
    knobs = {key: value for key, value in asdict(config).items() if key != "months"}
    what = [knobs, num_pages, num_candidates, fault and asdict(fault), sha256_code(CODE, LIBRARIES)]
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()


def pages_table(views: PageViews, month: str) -> pl.DataFrame:
    """A row a candidate: the page view, the columns of an impression but its label, `p_true` and `luck`."""
    ids_N = impression_ids(month_index(month), 0, len(views))
    clicked_N = np.zeros(len(views), dtype=bool)  # nobody has been shown anything yet
    rows = impressions_table(views.world, views.creatives, views.traffic, ids_N, clicked_N).drop("clicked")
    return rows.insert_column(0, pl.Series("page", views.page_N)).with_columns(
        pl.Series("p_true", views.p_true_N), pl.Series("luck", views.luck_N)
    )


def write_page_images(config: ExchangeConfig, views: PageViews, fault: WorldFault | None, folder: Path) -> None:
    """The images of all creatives that are a candidate somewhere, those that the fault touches darker."""
    creatives, size_px = views.creatives, config.image_size_px
    asked_C = np.bincount(views.traffic.creative_N, minlength=len(creatives)) > 0
    dimmed_C = dimmed(config, creatives, fault)
    write_images(creatives, asked_C & ~dimmed_C, size_px, folder)
    for chunk, pixels_CHW3 in render(creatives, np.flatnonzero(asked_C & dimmed_C & creatives.has_image_C), size_px):
        for creative_id, pixels_HW3 in zip(creatives.creative_id_C[chunk], pixels_CHW3, strict=True):
            darker_HW3 = np.round(pixels_HW3 * fault.size).astype(np.uint8)
            Image.fromarray(darker_HW3).save(folder / f"{creative_id}.png", format="PNG", compress_level=3)
