"""Have the arms got the shares of the routing keys that the route says (sample ratio).

Distinct keys in the order in which a step first saw them are draws with a known chance. The e-value is a beta mixture of
likelihood ratios (Lindon and Malek, "Anytime-valid inference for multinomial count data", NeurIPS 2022): at most 1 / alpha for
ever, but with chance alpha.
"""

from math import exp, lgamma, log, log1p

from lifecycle.rollout.judgement import RatioVerdict

KEYS = 200.0  # that the mixture's prior is worth, with the route's share as its mean
LARGEST = 700.0  # of a logarithm that is shown


def sample_ratio(step: int, expected: float, champion: int, challenger: int, alpha: float) -> RatioVerdict:
    """Of the distinct keys of a step so far; `expected` is the challenger's share, above 0 and below 1."""
    a, b = KEYS * expected, KEYS * (1 - expected)
    log_e = _log_beta(a + challenger, b + champion) - _log_beta(a, b)
    log_e -= challenger * log(expected) + champion * log1p(-expected)
    return RatioVerdict(
        step=step,
        expected=expected,
        champion=champion,
        challenger=challenger,
        e_value=exp(min(log_e, LARGEST)),
        is_mismatch=log_e >= -log(alpha),
    )


def _log_beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)
