"""Confidence intervals: from bootstrap replicates, and in closed form where clicks are too few for a bootstrap."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special, stats

MIN_CLICKS = 10  # below this many clicks a bootstrap says nothing; a metric without a closed form then has no interval
FEW_CLICKS = 30  # below this many clicks the closed forms replace the bootstrap: it would be too narrow


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A value with its interval; what is None has its reason."""

    value: float | None
    low: float | None = None
    high: float | None = None
    reason: str | None = None  # why the value or the interval is missing

    def as_dict(self) -> dict[str, float | str | None]:
        """Rounded to 7 decimals: the rest is noise of the order in which a processor adds."""
        numbers = {"value": _rounded(self.value), "low": _rounded(self.low), "high": _rounded(self.high)}
        return numbers if self.reason is None else {**numbers, "reason": self.reason}


def _rounded(number: float | None) -> float | None:
    return None if number is None or not math.isfinite(number) else round(float(number), 7)


def wilson(share: float, count: float, confidence: float) -> tuple[float, float]:
    """Wilson score interval of a share seen in `count` draws; never empty, also at 0 and 1."""
    z2 = stats.norm.ppf(0.5 + confidence / 2) ** 2
    centre = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = math.sqrt(z2 * (share * (1 - share) / count + z2 / (4 * count**2))) / (1 + z2 / count)
    return max(0.0, centre - half), min(1.0, centre + half)


def poisson_mean(count: float, confidence: float) -> tuple[float, float]:
    """Exact (Garwood) interval of the expected number of events after `count` were seen; [0, 3.69] after none."""
    tail = (1 - confidence) / 2
    low = stats.chi2.ppf(tail, 2 * count) / 2 if count > 0 else 0.0
    return float(low), float(stats.chi2.ppf(1 - tail, 2 * count + 2) / 2)


def expanded_tail(num_clicks: int, confidence: float) -> float:
    """Tail share of the bootstrap percentile interval, widened for small samples by Student's t.

    Hesterberg 2015, "What Teachers Should Know About the Bootstrap": percentile intervals are too narrow by about
    sqrt((n-1)/n) and by normal instead of t quantiles. Clicks, the rare class, are the sample size that counts.
    """
    n = max(num_clicks, 2)
    t = stats.t.ppf(0.5 + confidence / 2, n - 1)
    return float(special.ndtr(-math.sqrt(n / (n - 1)) * t))


def from_replicates(value: float | None, replicates: np.ndarray, num_clicks: int, confidence: float) -> Estimate:
    """Expanded percentile interval; without one, and with a reason, when it would not be honest."""
    if value is None or not math.isfinite(value):
        return Estimate(value=None, reason=f"undefined: {num_clicks} clicks among these rows")
    if num_clicks < MIN_CLICKS:
        return Estimate(value=value, reason=f"no interval: {num_clicks} clicks, at least {MIN_CLICKS} are needed")
    defined = replicates[np.isfinite(replicates)]
    if defined.size < 0.95 * replicates.size:
        reason = f"no interval: undefined in {replicates.size - defined.size} of {replicates.size} resamples"
        return Estimate(value=value, reason=reason)
    tail = expanded_tail(num_clicks, confidence)
    low, high = np.quantile(defined, [tail, 1 - tail])
    return Estimate(value=value, low=float(min(low, value)), high=float(max(high, value)))


def auc_estimate(value: float | None, replicates: np.ndarray, num_clicks: int, confidence: float) -> Estimate:
    """As `from_replicates`; with few clicks the distribution-free bound Var(AUC) <= AUC (1 - AUC) / clicks.

    The bound is Birnbaum and Klose 1957 (see Cortes and Mohri 2004, "Confidence Intervals for the Area under the ROC
    Curve"); unlike a bootstrap it stays wide when there is a single click.
    """
    if value is None or not math.isfinite(value):
        return Estimate(value=None, reason=f"undefined: {num_clicks} clicks among these rows")
    if num_clicks >= FEW_CLICKS:
        return from_replicates(value, replicates, num_clicks, confidence)
    low, high = wilson(value, num_clicks, confidence)
    return Estimate(value=value, low=low, high=high)


def ratio_estimate(num_clicks: int, predicted: float, replicates: np.ndarray, confidence: float) -> Estimate:
    """Observed over predicted clicks; with few clicks the exact Poisson interval of their number."""
    if predicted <= 0:
        return Estimate(value=None, reason="undefined: all predictions are 0")
    if num_clicks >= FEW_CLICKS:
        return from_replicates(num_clicks / predicted, replicates, num_clicks, confidence)
    low, high = poisson_mean(num_clicks, confidence)
    return Estimate(value=num_clicks / predicted, low=low / predicted, high=high / predicted)


def ece_estimate(value: float, replicates: np.ndarray, num_clicks: int, confidence: float) -> Estimate:
    """Interval of the calibration error, reflected around the value because noise only ever adds to this metric.

    Resampling adds the noise a second time, so plain percentiles would lie above the truth; the reflected ("basic")
    interval takes it off again. It is cut at 0 and widened to hold the value itself.
    """
    plain = from_replicates(value, replicates, num_clicks, confidence)
    if plain.low is None or plain.high is None:
        return plain
    tail = expanded_tail(num_clicks, confidence)
    low, high = (float(q) for q in np.quantile(replicates, [tail, 1 - tail]))
    return Estimate(value=value, low=max(0.0, min(value, 2 * value - high)), high=max(value, 2 * value - low))
