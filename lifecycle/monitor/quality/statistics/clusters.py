"""How far a figure of labelled rows may be from the truth: by row, by user and by creative, of which the widest counts.

A figure's error is the sum of its rows' influences (Huber 1981, "Robust Statistics"); rows of one user or creative go together,
so their influences are added up before they are squared (Liang and Zeger 1986; for ratios Binder 1983). What few units say is
judged by Student's t with as many degrees of freedom as there are effective units, less one.

Shape letters: N rows, U units, G groups.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats

ROWS = "rows"


@dataclass(frozen=True, kw_only=True)
class Wideness:
    """The variance of a figure, and what makes it so."""

    by_row: float  # if every row were for itself
    widest: float  # by the units that make it widest
    by: str  # these: rows, users, creatives
    units: float  # their effective number: (sum n)^2 / sum n^2 of their rows

    @property
    def error(self) -> float:
        return float(np.sqrt(self.widest))

    @property
    def shared(self) -> float:
        """The part of the variance that more rows of the same units would not make less: what units that go together add to it,
        beyond twice the error with which that is known of so few units.
        """
        noise = 2 * (2 / max(self.units, 1.0)) ** 0.5
        return max(0.0, self.widest - self.by_row * (1 + noise))

    @property
    def freedom(self) -> float:
        """Degrees of freedom of Student's t."""
        return max(self.units - 1.0, 1.0)

    def quantile(self, level: float) -> float:
        """How many errors from the truth, on either side together, chance gives with probability `level`."""
        return float(stats.t.isf(level / 2, self.freedom))

    def p_value(self, errors: float) -> float:
        """Chance of so many errors or more on this side."""
        return float(stats.t.sf(errors, self.freedom))


def effective(rows_U: np.ndarray) -> float:
    """Effective number of units that have so many rows."""
    total = float(rows_U.sum())
    return total * total / float((rows_U.astype(np.float64) ** 2).sum()) if total else 0.0


def wideness(influence_N: np.ndarray, units: Mapping[str, np.ndarray]) -> Wideness:
    """Of a figure with these influences. `units` has codes from 0 on, int [N], by what they are; a row without one has -1."""
    by_row = float((influence_N**2).sum())
    widest = Wideness(by_row=by_row, widest=by_row, by=ROWS, units=float(len(influence_N)))
    for name, codes_N in units.items():
        found = _by_unit(influence_N, codes_N)
        if found is not None and found[0] > widest.widest:
            widest = Wideness(by_row=by_row, widest=found[0], by=name, units=found[1])
    return widest


def _by_unit(influence_N: np.ndarray, codes_N: np.ndarray) -> tuple[float, float] | None:
    """Variance by units, corrected for their number, and how many there are in effect; None where there are fewer than two."""
    alone_N = codes_N < 0
    codes, influences = codes_N[~alone_N], influence_N[~alone_N]
    rows_U = np.bincount(codes)
    sums_U = np.bincount(codes, influences)[rows_U > 0]
    if len(sums_U) < 2:
        return None
    units = effective(np.concatenate([rows_U[rows_U > 0], np.ones(int(alone_N.sum()))]))
    variance = float((sums_U**2).sum()) * len(sums_U) / (len(sums_U) - 1) + float((influence_N[alone_N] ** 2).sum())
    return variance, units


def group_wideness(
    influence_N: np.ndarray, group_N: np.ndarray, num_groups: int, units: Mapping[str, np.ndarray]
) -> list[Wideness]:
    """Of the same figure in each of G groups of rows."""
    order = np.argsort(group_N, kind="stable")
    ends = np.cumsum(np.bincount(group_N, minlength=num_groups))
    places = [order[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)]
    return [wideness(influence_N[rows], {name: _codes(codes_N[rows]) for name, codes_N in units.items()}) for rows in places]


def _codes(codes: np.ndarray) -> np.ndarray:
    """The same units with codes that leave none out."""
    found, inverse = np.unique(codes, return_inverse=True)
    return inverse - int(found[0] < 0) if len(found) else codes
