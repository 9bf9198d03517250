"""How the two models' log-odds differ row by row: mean, quantiles, the rows that differ most, and the order that users see.

Means and the largest differences are of all rows. Quantiles, rank correlation and orders are of whole users, all of them while
they have at most SAMPLE_ROWS rows, beyond that a sample of users by a hash of the user.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from scipy import stats

from stages.comparing.pairs import ScoredPiece, log_odds

SAMPLE_ROWS = 1 << 19
LARGEST = 20  # rows that are named
QUANTILES = (0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999)
TIE = 1e-6  # log-odds nearer than this are equal


class RowDifferences:
    """Collects pieces; `summary` says what was found. Keeps at most SAMPLE_ROWS rows' numbers and LARGEST whole rows."""

    def __init__(self, shown: list[str], by_user: bool) -> None:
        self._shown, self._by_user = shown, by_user
        self._num_rows = 0
        self._sums = np.zeros(3)  # of the difference, its size, its square
        self._largest = pl.DataFrame()
        self._sample: list[np.ndarray] = []  # [3, n]: user, log-odds of champion and of candidate; users as uint64 bits
        self._limit = 2**64 - 1  # users whose hash is above it are not in the sample

    def add(self, piece: ScoredPiece, user_N: np.ndarray) -> None:
        """`user_N`: a 64-bit number for each row's user, which tells users apart and is as good as random."""
        before_N, now_N = log_odds(piece.champion_N), log_odds(piece.candidate_N)
        gap_N = now_N - before_N
        self._num_rows += len(gap_N)
        self._sums += gap_N.sum(), np.abs(gap_N).sum(), (gap_N**2).sum()
        self._keep_largest(piece, gap_N)
        kept = user_N <= np.uint64(self._limit)
        self._sample.append(np.stack([user_N[kept].view(np.float64), before_N[kept], now_N[kept]]))
        while sum(part.shape[1] for part in self._sample) > SAMPLE_ROWS:
            self._limit //= 2
            self._sample = [part[:, part[0].view(np.uint64) <= np.uint64(self._limit)] for part in self._sample]

    def _keep_largest(self, piece: ScoredPiece, gap_N: np.ndarray) -> None:
        top = np.argsort(-np.abs(gap_N), kind="stable")[:LARGEST]
        named = piece.rows.select(self._shown)[top].select(pl.all().cast(pl.String).fill_null(""))
        columns = {
            "row": piece.start + top,
            "difference": gap_N[top],
            "champion": piece.champion_N[top].astype(np.float64),
            "candidate": piece.candidate_N[top].astype(np.float64),
        }
        both = pl.concat([self._largest, pl.DataFrame(columns).hstack(named)])
        self._largest = both.sort(pl.col("difference").abs(), descending=True, maintain_order=True).head(LARGEST)

    def summary(self) -> dict[str, Any]:
        """Plain values. The difference is candidate minus champion, in log-odds."""
        mean, size, square = self._sums / self._num_rows
        user, before, now = np.concatenate(self._sample, axis=1)
        quantiles = np.quantile(now - before, QUANTILES)
        spread = before.std() > TIE and now.std() > TIE
        return {
            "rows": self._num_rows,
            "sampled_rows": len(before),
            "mean": _rounded(mean),
            "mean_size": _rounded(size),
            "std": _rounded(np.sqrt(max(square - mean**2, 0.0))),
            "quantiles": {f"{q:g}": _rounded(value) for q, value in zip(QUANTILES, quantiles, strict=True)},
            "rank_correlation": _rounded(stats.spearmanr(before, now).statistic) if spread else None,
            "users": _orders(user.view(np.uint64), before, now) if self._by_user else None,
            "largest": [
                {key: _rounded(value) if isinstance(value, float) else value for key, value in row.items()}
                for row in self._largest.iter_rows(named=True)
            ],
        }


def _orders(user_n: np.ndarray, before_n: np.ndarray, now_n: np.ndarray) -> dict[str, Any]:
    """Of users with two rows or more: how many, the shares whose rows change order, and whose best row changes."""
    order = np.lexsort((before_n, user_n))
    user, before, now = user_n[order], before_n[order], now_n[order]
    first = np.flatnonzero(np.r_[True, user[1:] != user[:-1]])
    sizes = np.diff(np.r_[first, len(user)])
    place = np.repeat(np.arange(len(first)), sizes)
    same_user = place[1:] == place[:-1]
    turned = same_user & (before[1:] > before[:-1] + TIE) & (now[1:] < now[:-1] - TIE)
    is_changed = np.bincount(place[1:], turned, len(first)) > 0
    best_now = np.maximum.reduceat(now, first)
    best_before = now[first + sizes - 1]  # what the candidate gives the row that the champion liked best
    several = sizes >= 2
    number = int(several.sum())
    shares = (float(flags[several].mean()) if number else None for flags in (is_changed, best_now > best_before + TIE))
    changed_share, best_share = (None if share is None else _rounded(share) for share in shares)
    return {"number": number, "order_changes": changed_share, "best_changes": best_share}


def _rounded(value: float) -> float:
    return round(float(value), 7)
