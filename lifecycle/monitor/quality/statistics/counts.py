"""Are there as many clicks as were expected: two counts whose variance is wider than Poisson's, compared exactly."""

import math
from dataclasses import dataclass

from scipy import special, stats

from lifecycle.monitor.quality.statistics.clusters import Wideness
from lifecycle.monitor.quality.statistics.figures import growth


@dataclass(frozen=True, kw_only=True)
class CountTest:
    """Clicks by the clicks that were expected of the same rows, and whether chance explains the difference."""

    ratio: float
    p_value: float  # of both sides
    error: float  # of the ratio's logarithm
    freedom: float  # of Student's t

    def interval(self, confidence: float) -> tuple[float, float]:
        reach = 1 + growth(float(stats.t.isf((1 - confidence) / 2, self.freedom)) * self.error)
        return self.ratio / reach, self.ratio * reach

    def chance(self, level: float) -> float:
        """The largest ratio, less 1, that chance alone gives on either side with probability `level`."""
        return growth(float(stats.t.isf(level / 2, self.freedom)) * self.error)


def compare_counts(observed: float, expected: float, dispersion: float, given: float, freedom: float) -> CountTest:
    """`observed` clicks against `expected` ones. The expectation rests on `given` clicks of its own; infinity: it is certain.

    `dispersion` is the variance of the clicks by Poisson's. Counts divided by it are taken as Poisson's (quasi-likelihood:
    McCullagh and Nelder 1989, 6.2), and of two such counts one is binomial given their sum (Przyborowski and Wilenski 1940),
    which holds where a normal approximation of rare clicks would not. `freedom` of Student's t allows for how well the dispersion
    is known.
    """
    count, mean = observed / dispersion, expected / dispersion
    if math.isinf(given):
        tails = float(special.gammaincc(count + 1, mean)), float(special.gammainc(count, mean)) if count > 0 else 1.0
    else:
        before, share = given / dispersion, expected / (expected + given)
        at_most = float(special.betainc(before, count + 1, 1 - share))
        tails = at_most, float(special.betainc(count, before + 1, share)) if count > 0 else 1.0
    p = min(1.0, 2 * min(tails))
    errors = float(stats.norm.isf(max(p, 1e-300) / 2))
    relative = dispersion / max(observed, dispersion) + (0.0 if math.isinf(given) else dispersion / given)
    return CountTest(
        ratio=observed / expected,
        p_value=min(1.0, 2 * float(stats.t.sf(errors, freedom))),
        error=math.sqrt(relative),
        freedom=freedom,
    )


def dispersion_of(width: Wideness, predicted: float, observed: float, floor: float) -> float:
    """The variance of the number of clicks by Poisson's, from that of clicks by predictions; at least that of single rows."""
    return max(width.widest * predicted * predicted / max(observed, 1.0), floor)


def evidence_of_reference(clicks: float, width: Wideness, times: float) -> float:
    """So many clicks of the rows themselves tell as much as `clicks` of a reference that has `times` as many rows."""
    if math.isinf(clicks) or width.widest <= 0:
        return clicks
    return clicks * width.widest / (width.widest - width.shared + width.shared * max(times, 1.0))
