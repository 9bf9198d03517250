"""Confidence intervals: from bootstrap replicates, and in closed form where clicks are too few for a bootstrap."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special, stats

MIN_EVENTS = 10  # below this many a bootstrap says nothing; a metric without a closed form then has no interval
FEW_EVENTS = 30  # below this many the closed forms replace the bootstrap: it would be too narrow


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What an interval rests on, the sample size that counts."""

    count: int
    what: str  # in a message: clicks, rows without a click, creatives, ...


def evidence(num_clicks: int, num_rows: int, units: Evidence | None = None) -> Evidence:
    """The rows of the rarer label; where whole units are drawn and there are fewer of these, the units."""
    quiet = num_rows - num_clicks
    rarer = (
        Evidence(count=num_clicks, what="clicks") if num_clicks <= quiet else Evidence(count=quiet, what="rows without a click")
    )
    return rarer if units is None or rarer.count <= units.count else units


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


def expanded_tail(count: int, confidence: float) -> float:
    """Tail share of the bootstrap percentile interval, widened for small samples by Student's t.

    Hesterberg 2015, "What Teachers Should Know About the Bootstrap": percentile intervals are too narrow by about
    sqrt((n-1)/n) and by normal instead of t quantiles. `count` is the sample size that counts, see `evidence`.
    """
    n = max(count, 2)
    t = stats.t.ppf(0.5 + confidence / 2, n - 1)
    return float(special.ndtr(-math.sqrt(n / (n - 1)) * t))


def from_replicates(value: float | None, replicates: np.ndarray, given: Evidence, confidence: float) -> Estimate:
    """Expanded percentile interval; without one, and with a reason, when it would not be honest."""
    if value is None or not math.isfinite(value):
        return Estimate(value=None, reason=f"undefined: {given.count} {given.what} among these rows")
    if given.count < MIN_EVENTS:
        return Estimate(value=value, reason=f"no interval: {given.count} {given.what}, at least {MIN_EVENTS} are needed")
    defined = replicates[np.isfinite(replicates)]
    if defined.size < 0.95 * replicates.size:
        reason = f"no interval: undefined in {replicates.size - defined.size} of {replicates.size} resamples"
        return Estimate(value=value, reason=reason)
    tail = expanded_tail(given.count, confidence)
    low, high = np.quantile(defined, [tail, 1 - tail])
    return Estimate(value=value, low=float(min(low, value)), high=float(max(high, value)))


def auc_estimate(value: float | None, replicates: np.ndarray, given: Evidence, confidence: float) -> Estimate:
    """As `from_replicates`; with little evidence the distribution-free bound Var(AUC) <= AUC (1 - AUC) / count.

    The bound is Birnbaum and Klose 1957 (see Cortes and Mohri 2004, "Confidence Intervals for the Area under the ROC
    Curve"); unlike a bootstrap it stays wide when there is a single click.
    """
    if value is None or not math.isfinite(value):
        return Estimate(value=None, reason=f"undefined: {given.count} {given.what} among these rows")
    if given.count >= FEW_EVENTS:
        return from_replicates(value, replicates, given, confidence)
    low, high = wilson(value, given.count, confidence)
    return Estimate(value=value, low=low, high=high)


def ratio_estimate(num_clicks: int, predicted: float, replicates: np.ndarray, given: Evidence, confidence: float) -> Estimate:
    """Observed over predicted clicks; with few clicks, each for itself, the exact Poisson interval of their number."""
    if predicted <= 0:
        return Estimate(value=None, reason="undefined: all predictions are 0")
    if num_clicks >= FEW_EVENTS or given.count < num_clicks:
        return from_replicates(num_clicks / predicted, replicates, given, confidence)
    low, high = poisson_mean(num_clicks, confidence)
    return Estimate(value=num_clicks / predicted, low=low / predicted, high=high / predicted)


def ece_estimate(value: float, replicates: np.ndarray, given: Evidence, confidence: float) -> Estimate:
    """Interval of the calibration error, reflected around the value because noise only ever adds to this metric.

    Resampling adds the noise a second time, so plain percentiles would lie above the truth; the reflected ("basic")
    interval takes it off again. It is cut at 0 and widened to hold the value itself.
    """
    plain = from_replicates(value, replicates, given, confidence)
    if plain.low is None or plain.high is None:
        return plain
    tail = expanded_tail(given.count, confidence)
    low, high = (float(q) for q in np.quantile(replicates, [tail, 1 - tail]))
    return Estimate(value=value, low=max(0.0, min(value, 2 * value - high)), high=max(value, 2 * value - low))
