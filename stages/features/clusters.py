"""How much the rows of one user hang together, and how much the days differ: by how much a share moves without any change.

Shape letters: N rows, U users (or other clusters), V values of a column.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

LARGE_SHARE, FEWEST_CELLS = 0.01, 10  # a design effect is told of cells with that share of the rows, or of the ten largest


@dataclass(frozen=True, kw_only=True)
class Clusters:
    """Which rows belong together; what is the same for all columns is counted once."""

    of_row_N: np.ndarray  # int64: number of the cluster
    sizes_U: np.ndarray  # int64: its rows

    @classmethod
    def of(cls, values: pl.Series) -> "Clusters":
        """Rows with one value are a cluster; a row without a value is one of its own."""
        number = values.rank("dense").cast(pl.Int64) - 1
        known = int(number.max() or 0) + 1 if number.count() else 0
        return cls.numbered(number.fill_null(known - 1 + values.is_null().cum_sum().cast(pl.Int64)).to_numpy())

    @classmethod
    def numbered(cls, of_row_N: np.ndarray) -> "Clusters":
        return cls(of_row_N=of_row_N, sizes_U=np.bincount(of_row_N))

    def within(self, other: "Clusters") -> "Clusters":
        """The rows that are together in both."""
        _, number_N = np.unique(other.of_row_N * len(self.sizes_U) + self.of_row_N, return_inverse=True)
        return Clusters.numbered(number_N)

    @property
    def effective(self) -> float:
        """As many clusters of equal size would give shares as precise: (sum n)^2 / sum n^2 (L. Kish, Survey Sampling, 1965)."""
        return float(self.sizes_U.sum() ** 2 / (self.sizes_U**2).sum())


def design_effect(ids_N: np.ndarray, num_ids: int, clusters: Clusters) -> float | None:
    """Variance of a share, with whole clusters drawn, by that of as many single rows: the median over the larger values.

    A share is a ratio, rows of the value by rows: its variance is U / (U - 1) sum_u (y_u - p n_u)^2 / N^2 (W. G. Cochran,
    Sampling Techniques, 3rd edition, 1977, section 3.12; Kish called the quotient the design effect). None where there is one
    cluster, or one value.
    """
    num_rows, num_clusters = len(ids_N), len(clusters.sizes_U)
    rows_V = np.bincount(ids_N, minlength=num_ids)
    cells = _larger(rows_V, num_rows)
    if num_clusters < 2 or not len(cells):
        return None
    pair, together = np.unique(clusters.of_row_N * num_ids + ids_N, return_counts=True)
    squares_V = _exact_sums(pair % num_ids, together**2, num_ids)
    products_V = _exact_sums(ids_N, clusters.sizes_U[clusters.of_row_N], num_ids)
    share_V = rows_V / num_rows
    spread_V = squares_V - 2 * share_V * products_V + share_V**2 * float((clusters.sizes_U**2).sum())
    effect_V = spread_V[cells] / (num_rows * share_V[cells] * (1 - share_V[cells])) * num_clusters / (num_clusters - 1)
    return float(np.median(effect_V))


def day_deviation(ids_N: np.ndarray, days: Clusters, in_day: Clusters) -> float | None:
    """Standard deviation of the daily share of the most frequent value, beyond what users drawn anew each day give.

    The moment estimate of R. DerSimonian and N. Laird, Meta-analysis in clinical trials, Controlled Clinical Trials 7, 1986,
    with a day's share as a study. `in_day` are the rows of one user on one day. None for fewer than two days.
    """
    value = int(np.bincount(ids_N).argmax())
    num_days = len(days.sizes_U)
    if num_days < 2:
        return None
    is_value_N = ids_N == value
    share_D = np.bincount(days.of_row_N, is_value_N, num_days) / days.sizes_U
    share = float(is_value_N.mean())
    together = np.bincount(in_day.of_row_N, is_value_N, len(in_day.sizes_U))
    day_of = np.zeros(len(in_day.sizes_U), dtype=np.int64)
    day_of[in_day.of_row_N] = days.of_row_N
    spread = float(((together - share_D[day_of] * in_day.sizes_U) ** 2).sum()) / len(ids_N)  # of a row, within its day
    if share in (0.0, 1.0):
        return 0.0
    if spread == 0:  # each day has one value alone
        return float(share_D.std())
    weight_D = days.sizes_U / spread
    mean = float((weight_D * share_D).sum() / weight_D.sum())
    beyond = float((weight_D * (share_D - mean) ** 2).sum()) - (num_days - 1)
    scale = float(weight_D.sum() - (weight_D**2).sum() / weight_D.sum())
    return float(np.sqrt(max(beyond / scale, 0.0)))


def _larger(rows_V: np.ndarray, num_rows: int) -> np.ndarray:
    """Values with LARGE_SHARE of the rows, or the FEWEST_CELLS most frequent ones; none that all rows have, or no row."""
    most_first = np.argsort(-rows_V, kind="stable")
    count = max(int((rows_V >= LARGE_SHARE * num_rows).sum()), FEWEST_CELLS)
    return np.array([value for value in most_first[:count] if 0 < rows_V[value] < num_rows], dtype=np.int64)


def _exact_sums(cell: np.ndarray, values: np.ndarray, num_cells: int) -> np.ndarray:
    """Sums of whole numbers by cell, exact below 2^53: floats of whole numbers add without rounding."""
    return np.bincount(cell, values.astype(np.float64), num_cells)
