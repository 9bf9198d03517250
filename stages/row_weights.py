"""Rows that stand for many: clean rows with counts made into rows with a label, and how much each of these counts.

A clean row of n impressions with k clicks becomes, from the split on, a row with label 1 that stands for k and one with label 0
that stands for n - k, in the columns of its clicks and its impressions. Rows may have a weight besides, of each impression.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from contracts.dataset.declaration import Declaration


@dataclass(frozen=True, kw_only=True, eq=False)
class RowWeights:
    """How much rows count: as so many impressions, which are evidence, and by the weight of each of them."""

    num_rows: int
    count_N: np.ndarray | None = None  # float64, whole numbers; None: each row is one impression
    worth_N: np.ndarray | None = None  # float64; None: all weigh 1

    @property
    def is_plain(self) -> bool:
        """Does each row count once."""
        return self.count_N is None and self.worth_N is None

    @property
    def mass_N(self) -> np.ndarray:
        """What a row weighs in a sum, float64 [N]."""
        if self.count_N is not None and self.worth_N is not None:
            return self.count_N * self.worth_N
        one = self.count_N if self.count_N is not None else self.worth_N
        return np.ones(self.num_rows) if one is None else one

    @property
    def square_N(self) -> np.ndarray:
        """The squares of the weights of a row's impressions, added up: of what a sum over them varies by."""
        worth = 1.0 if self.worth_N is None else self.worth_N**2
        return worth * (np.ones(self.num_rows) if self.count_N is None else self.count_N)

    def taken(self, where: np.ndarray | slice) -> "RowWeights":
        """Those of some rows, in another order if it says so."""
        count_N, worth_N = (None if one is None else one[where] for one in (self.count_N, self.worth_N))
        return RowWeights(num_rows=len(np.arange(self.num_rows)[where]), count_N=count_N, worth_N=worth_N)

    def impressions(self, is_in_N: np.ndarray | None = None) -> int:
        """How many impressions the rows stand for, all or those of `is_in_N`."""
        if self.count_N is None:
            return self.num_rows if is_in_N is None else int(np.count_nonzero(is_in_N))
        return int(self.count_N.sum() if is_in_N is None else self.count_N[is_in_N].sum())

    def evidence(self, is_in_N: np.ndarray | None = None) -> int:
        """How many impressions of equal weight would say as much: (sum of w)^2 / sum of w^2 (Kish, Survey Sampling, 1965)."""
        if self.worth_N is None:
            return self.impressions(is_in_N)
        where = slice(None) if is_in_N is None else is_in_N
        worth, count = self.worth_N[where], 1.0 if self.count_N is None else self.count_N[where]
        squares = float((count * worth**2).sum())
        return round(float((count * worth).sum()) ** 2 / squares) if squares > 0 else 0


def weight_names(declaration: Declaration) -> list[str]:
    """The columns that say how much a row counts."""
    return [column.name for column in (declaration.impressions, declaration.weight) if column is not None]


def row_weights(rows: pl.DataFrame, declaration: Declaration) -> RowWeights:
    """How much rows of a split count."""
    columns = (declaration.impressions, declaration.weight)
    count_N, worth_N = (None if one is None else rows[one.name].cast(pl.Float64).to_numpy() for one in columns)
    return RowWeights(num_rows=len(rows), count_N=count_N, worth_N=worth_N)


def spread_out(weights: RowWeights, most: int) -> np.ndarray | None:
    """Numbers of rows, each as often as it stands for impressions, int64 [impressions]; None where each stands for one.

    Of more than `most` impressions they are `most`, at equal distances in the order of the rows (systematic sampling).
    """
    if weights.count_N is None:
        return None
    up_to_N, total = np.cumsum(weights.count_N), weights.impressions()
    num_drawn = min(total, most)
    place = np.floor((np.arange(num_drawn) + 0.5) * (total / num_drawn))
    return np.searchsorted(up_to_N, place, side="right")


def clean_mass(rows: pl.DataFrame, declaration: Declaration) -> np.ndarray:
    """What clean rows weigh: their impressions (int64 where no weight is declared) times their weight; missing ones are 1."""
    one = pl.lit(1, dtype=pl.Int64)
    count = one if declaration.impressions is None else pl.col(declaration.impressions.name).fill_null(1)
    worth = one if declaration.weight is None else pl.col(declaration.weight.name).cast(pl.Float64).fill_null(1.0)
    return rows.select(pl.ones(pl.len(), dtype=pl.Int64) * count * worth).to_series().to_numpy()


def labelled(rows: pl.DataFrame, declaration: Declaration) -> pl.DataFrame:
    """Clean rows as a split has them: each with a label 0 or 1 and its weights as float64; none that counts nothing."""
    if declaration.weight is not None:
        rows = rows.with_columns(pl.col(declaration.weight.name).cast(pl.Float64).fill_null(1.0))
    if declaration.impressions is None:
        return rows
    impressions, clicks = declaration.impressions.name, declaration.label.name
    clicked = pl.col(clicks).cast(pl.Float64)
    others = pl.col(impressions).fill_null(1).cast(pl.Float64) - clicked
    numbered = rows.with_row_index("__place")
    parts = [
        numbered.with_columns(count.alias(impressions), pl.lit(label, dtype=pl.Int8).alias(clicks))
        for label, count in ((1, clicked), (0, others))
    ]
    return pl.concat(parts).filter(pl.col(impressions) > 0).sort("__place", maintain_order=True).drop("__place")
