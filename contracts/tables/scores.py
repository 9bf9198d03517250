"""A table of scores, the same from whoever makes it: where a row stands, its key, the probability, the model's version."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from contracts.tables.chunk import ROW

OWN = ("file", "row", "p_click", "model_version")  # columns that are not the data set's
OTHER_NAME, OTHER_POSITION = "key", "position"  # of a key and of a position that are called like one of them


def scores(
    file: str,
    rows: pl.DataFrame,
    key: str | None,
    p_click: np.ndarray,
    model_version: int | Sequence[int] | np.ndarray | None,
    position: str | None = None,
) -> pl.DataFrame:
    """`file`, `row` (1 is the first), the key if there is one, `p_click` float32, `model_version` int64: null if it has none.

    `position` is the column that says where in its list an impression stands, where the file's rows hold lists.
    """
    versions = pl.Series(np.broadcast_to(model_version, len(rows)), dtype=pl.Int64) if model_version is not None else None
    keys = [] if key is None else [rows[key].alias(OTHER_NAME if key in OWN else key)]
    keys += [] if position is None else [rows[position].alias(OTHER_POSITION if position in OWN else position)]
    return rows.select(pl.lit(file).alias("file"), pl.col(ROW).alias("row"), *keys).with_columns(
        p_click=pl.Series(p_click, dtype=pl.Float32),
        model_version=pl.lit(None, dtype=pl.Int64) if versions is None else versions,
    )
