"""Which values of which columns a candidate does worse on than on the other rows: a site, a day, an advertiser.

What is kept is nine sums for each value of a column, of columns with at most MOST_VALUES values.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

MOST_VALUES = 20_000
ENOUGH_ROWS = 30  # a value with fewer test rows is not judged
Z_MIN = 6.0  # standard errors: of ten thousand values none is off by chance, even if rows of a user are alike
SHOWN = 10
SUMS = ("n", "clicks", "lost", "base", "lost2", "lost_base", "base2", "gap", "chance")


class ValueSums:
    """Collects, for each value of each column, how much the candidate loses against the champion."""

    def __init__(self, columns: tuple[str, ...]) -> None:
        self._tables: dict[str, pl.DataFrame | None] = dict.fromkeys(columns, pl.DataFrame())

    def add(
        self,
        rows: pl.DataFrame,
        label_N: np.ndarray,
        before_N: np.ndarray,
        now_N: np.ndarray,
        gap_N: np.ndarray,
        p_click_N: np.ndarray,
    ) -> None:
        """`before_N`, `now_N`: each row's loss by champion and candidate; `gap_N`: difference of their log-odds; `p_click_N`: the
        mean of their probabilities.
        """
        lost = now_N - before_N
        measures = {"clicks": label_N, "lost": lost, "base": before_N, "gap": gap_N}
        measures["chance"] = gap_N**2 * p_click_N * (1 - p_click_N)
        measures |= {"lost2": lost**2, "lost_base": lost * before_N, "base2": before_N**2}
        table = pl.DataFrame(measures)
        for name, found in self._tables.items():
            if found is None:
                continue
            value = rows[name].cast(pl.String).alias("value")
            sums = table.with_columns(value).group_by("value").agg(pl.len().cast(pl.Float64).alias("n"), pl.col(SUMS[1:]).sum())
            both = pl.concat([found, sums.select("value", *SUMS)])
            merged = both.group_by("value").agg(pl.col(SUMS).sum())
            self._tables[name] = merged if len(merged) <= MOST_VALUES else None

    @property
    def left_out(self) -> list[str]:
        """Columns with too many values."""
        return sorted(name for name, table in self._tables.items() if table is None)

    def worst(self, relative: float, least: float) -> list[dict[str, Any]]:
        """Values on which the candidate's log-loss is above the champion's by more than `relative` (the difference over all
        rows) plus `least`, outside of chance; the surest first, at most SHOWN.

        Chance is what the rows show, and no less than what labels would show if both models were equally right: thirty rows
        without a click are all alike, and tell next to nothing.
        """
        known = [(name, table) for name, table in self._tables.items() if table is not None and len(table)]
        if not known:
            return []
        both = pl.concat([table.with_columns(pl.lit(name).alias("column")) for name, table in known])
        excess = pl.col("lost") - relative * pl.col("base")
        square = pl.col("lost2") - 2 * relative * pl.col("lost_base") + relative**2 * pl.col("base2")
        variance = pl.max_horizontal(square - excess**2 / pl.col("n"), "chance")
        both = both.with_columns(
            (pl.col("lost") / pl.col("base")).alias("relative"),
            (excess / variance.clip(1e-12).sqrt()).alias("z"),
        )
        is_worse = (pl.col("n") >= ENOUGH_ROWS) & (pl.col("z") >= Z_MIN) & (excess >= least * pl.col("base"))
        found = both.filter(is_worse).sort(["z", "column", "value"], descending=[True, False, False]).head(SHOWN)
        return [
            {
                "column": row["column"],
                "value": row["value"],
                "rows": int(row["n"]),
                "clicks": int(row["clicks"]),
                "relative": round(row["relative"], 7),
                "z": round(row["z"], 3),
                "mean_difference": round(row["gap"] / row["n"], 7),
            }
            for row in found.iter_rows(named=True)
        ]
