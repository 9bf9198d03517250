"""The small data set with cells that hold several values: tags of the user's, and the ads that were clicked last."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tests.stages.pipeline_world import COLUMNS, declaration, rows_of, write_png

TAGS = ("art", "bikes", "cars", "dogs", "food", "golf")
SET = {"name": "tags", "role": "set", "dtype": "string", "longest": 3, "delimiter": "|", "nullable": True, "keep": True}
SEQUENCE = {
    **{"name": "last", "role": "sequence", "dtype": "string", "longest": 4, "delimiter": ",", "nullable": True},
    **{"vocabulary": "ad", "keep": True},
}
LISTED: dict[str, Any] = declaration(columns=[*COLUMNS[:-1], SET, SEQUENCE, COLUMNS[-1]])


def listed_rows(month: int, num_rows: int, seed: int = 7) -> pl.DataFrame:
    """`rows_of` a month with lists; an ad is clicked more often where it was clicked before, and where somebody likes dogs."""
    rng = np.random.default_rng([seed, month])
    rows = rows_of(month, num_rows)
    tags = [sorted({TAGS[i] for i in rng.integers(0, len(TAGS), rng.integers(0, 5))}) for _ in range(num_rows)]
    last = [[f"ad{i}" for i in rng.integers(0, 6, rng.integers(0, 7))] for _ in range(num_rows)]
    liked = np.array([("dogs" in tag) + 2 * (ad in ads[-4:]) for tag, ads, ad in zip(tags, last, rows["ad"], strict=True)])
    clicked = rng.random(num_rows) < 1 / (1 + np.exp(1.5 - liked))
    return rows.with_columns(
        pl.Series("tags", [list(rng.permutation(tag)) for tag in tags], dtype=pl.List(pl.String)),
        pl.Series("last", last, dtype=pl.List(pl.String)),
        pl.Series("y", clicked.astype(int)),
    )


def as_texts(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(pl.col("tags").list.join("|"), pl.col("last").list.join(","))


def write_listed(source: Path, month: int, num_rows: int) -> None:
    """A month's CSV and the images of its ads, below `source`."""
    folder = source / f"2024-{month:02d}"
    (folder / "ads").mkdir(parents=True)
    as_texts(listed_rows(month, num_rows)).write_csv(folder / "rows.csv")
    for i in range(5 if month == 1 else 0):
        write_png(folder / "ads" / f"ad{i}.png", (40 * i, 20, 200 - 30 * i))
