"""Confidence sequences: bounds that hold at all looks together, by mixing over the size of the effect.

The estimate is taken as normal with the standard error that was estimated (an *asymptotic* confidence sequence: Waudby-Smith,
Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central limit theory and asymptotic confidence sequences", Annals of
Statistics 52, 2024), the effect is mixed over by a half-normal distribution with scale eta (Robbins, "Statistical methods
related to the law of the iterated logarithm", 1970; Howard, Ramdas, McAuliffe and Sekhon, "Time-uniform, nonparametric,
nonasymptotic confidence sequences", Annals of Statistics 49, 2021, proposition 6). With x = estimate / se, v = eta^2 / se^2
and y = x sqrt(v / (1 + v)) the mixture of likelihood ratios is 2 / sqrt(1 + v) exp(y^2 / 2) Phi(y); it reaches 1 / alpha with
a chance of at most alpha (Ville), whenever one looks. It is tightest for effects near eta; the mean over several scales is such
a mixture as well, and loses no more than the logarithm of their number.
"""

from collections.abc import Sequence
from math import erfc

import numpy as np

ROUNDS = 60  # of bisection: to the last bit
SQRT2 = 2.0**0.5
SCALES = (1.0, 5.0, 25.0)  # times eta: what is broken is found while there are few rows
PASSING = (1.0,)  # what passes lies about that far on the good side; wider scales would only cost rows


def log_mixture(x: np.ndarray, v: np.ndarray, scales: Sequence[float] = SCALES) -> np.ndarray:
    """Logarithm of the one-sided mixture of likelihood ratios, against an effect that is not above 0.

    `x`: estimate by standard error; `v`: squared scale of the mixture by squared standard error. Any shapes that go together.
    """
    of_scales = np.array([_of_one_scale(x, v * scale**2) for scale in scales])
    highest = of_scales.max(axis=0)
    mean: np.ndarray = highest + np.log(np.exp(of_scales - highest).mean(axis=0))
    return mean


def bound(alpha: float, v: np.ndarray, scales: Sequence[float] = SCALES) -> np.ndarray:
    """How many standard errors an estimate must be above an effect for the sequence to exclude it, at chance `alpha`; inf
    where v is 0.
    """
    positive = np.where(v > 0, v, 1.0)
    widest = positive * scales[-1] ** 2
    asked = -np.log(alpha) + np.log(len(scales)) + 0.5 * np.log1p(widest)  # the widest scale alone reaches it at `high`
    low, high = np.full(np.shape(v), -40.0), np.sqrt(2 * asked * (1 + widest) / widest)
    for _ in range(ROUNDS):
        middle = (low + high) / 2
        is_over = log_mixture(middle, positive, scales) >= -np.log(alpha)
        low, high = np.where(is_over, low, middle), np.where(is_over, middle, high)
    return np.where(v > 0, high, np.inf)


def _of_one_scale(x: np.ndarray, v: np.ndarray) -> np.ndarray:
    y = x * np.sqrt(v / (1 + v))
    return np.log(2.0) - 0.5 * np.log1p(v) + _log_tail(y)


def _log_tail(y: np.ndarray) -> np.ndarray:
    """log(exp(y^2 / 2) Phi(y)), also far below 0, where it is near -log(-y sqrt(2 pi)) (Mills' ratio)."""
    safe = np.maximum(y, -30.0)
    near = 0.5 * safe**2 + np.log(_phi(safe))
    far = -np.log(np.maximum(-y, 30.0) * np.sqrt(2 * np.pi))
    return np.where(y > -30.0, near, far)


_phi = np.vectorize(lambda y: 0.5 * erfc(-y / SQRT2), otypes=[np.float64])
