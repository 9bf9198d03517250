"""What chance alone gives: tails of shares whose rows hang together, and the control of the error over figures and looks."""

import numpy as np
from scipy.special import betainc, betaincc

RAREST = 1e-4  # a share that was never seen is taken for this
HOURS_OF_MONTH = 720


def tails(share: np.ndarray, expected: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Two-sided p-values of shares against expected ones, where rows are worth `size` independent ones.

    The exact binomial tail with the effective size in the place of the number of rows (E. L. Korn, B. I. Graubard, Confidence
    intervals for proportions with small expected number of positive counts estimated from survey data, Survey Methodology 24,
    1998), by the incomplete beta function, so that sizes need not be whole: wider than a normal tail where a cell is rare.
    """
    expected = np.clip(expected, RAREST, 1 - RAREST)
    count = share * size
    with np.errstate(invalid="ignore", divide="ignore"):
        above = np.where(count > 0, betainc(np.maximum(count, 1e-12), np.maximum(size - count, 0) + 1, expected), 1.0)
        below = np.where(count < size, betaincc(count + 1, np.maximum(size - count, 1e-12), expected), 1.0)
    return np.minimum(2 * np.minimum(above, below), 1.0)


def chance_of(expected: float, size: float, level: float) -> float:
    """The largest difference of a share that chance gives at a two-sided level, by bisection of `tails`."""
    low, high = 0.0, 1.0 - expected
    for _ in range(40):
        middle = (low + high) / 2
        p_value = tails(np.array(expected + middle), np.array(expected), np.array(size))
        low, high = (middle, high) if p_value > level else (low, middle)
    return high


def intraclass(agree_C: np.ndarray, apart_C: np.ndarray, pairs: float) -> np.ndarray:
    """How alike rows of one user or creative are in each cell, 0 to 1, from pairs that are both in it and those that differ.

    1 less the share of pairs that differ by that of any two rows with the pairs' own shares: the intraclass correlation of a
    proportion (J. L. Fleiss, B. Levin, M. C. Paik, Statistical Methods for Rates and Proportions, 3rd edition, 2003, chapter
    15). A cell has at least what all cells together have.
    """
    share_C = (agree_C + apart_C) / max(pairs, 1.0)
    most_C, differ_C = share_C * (1 - share_C), apart_C / max(pairs, 1.0)
    together = 1 - differ_C.sum() / most_C.sum() if most_C.sum() > 0 else 0.0
    with np.errstate(invalid="ignore", divide="ignore"):
        own_C = np.where(most_C > 0, 1 - differ_C / most_C, 0.0)
    return np.clip(np.maximum(own_C, together), 0.0, 1.0)


def holm(p_values: np.ndarray, error: float, tests: int) -> np.ndarray:
    """Which of the p-values are significant among `tests` of them, of which those not given are taken for larger.

    S. Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6, 1979.
    """
    order = np.argsort(p_values, kind="stable")
    passed = p_values[order] <= error / (tests - np.minimum(np.arange(len(order)), tests - 1))
    first_failed = len(order) if passed.all() else int(np.argmin(passed))
    found = np.zeros(len(order), dtype=bool)
    found[order[:first_failed]] = True
    return found
