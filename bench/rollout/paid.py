"""What users pay for a challenger that is flawless in shadow and broken from the first canary step on.

Its answers in canary belong to other rows; what it computes beside is right, so that only its own traffic tells.
"""

from collections.abc import Sequence
from statistics import median

import numpy as np

from bench.figures import Figure, at_most
from bench.rollout.runs import outcomes
from bench.rollout.settings import BenchRolloutConfig
from bench.rollout.shares import shown
from bench.rollout.simulation.models import Scenario
from bench.rollout.simulation.outcome import RolloutOutcome

RESAMPLED = 2000


def figures(config: BenchRolloutConfig) -> list[Figure]:
    limits, found = config.limits, []
    for traffic in config.traffic:
        ends = outcomes(config, Scenario(name="broken in canary", is_broken=True), traffic, "not_worse", config.fewer)
        gone = [one for one in ends if one.ended == "back"]
        share, low, high = answered_share(ends)
        of = (
            f"broken in canary, {traffic.name}: added log-loss over all traffic, from the first canary step until its end "
            f"(median day {median(one.day for one in gone) if gone else 0:.0f}; sent back: {shown(len(gone), len(ends))})"
        )
        for name, by, bar in (
            ("switching at once", 1.0, limits.paid_at_once),
            (f"a canary of {config.fixed_share:.0%}", config.fixed_share, limits.paid_fixed),
        ):
            text = f"{share / by:.3f}x ({low / by:.3f}x to {high / by:.3f}x)"
            found.append(at_most(f"{of}, by {name} for as long", share / by, bar, text, f"<= {bar:g}x"))
    return found


def answered_share(ends: Sequence[RolloutOutcome]) -> tuple[float, float, float]:
    """Of the log-loss that would have been added had the challenger answered all rows in that time; with a 95 % interval by
    resampling of rollouts.
    """
    added = np.array([one.costs.added for one in ends])
    a_row = added.sum() / sum(one.costs.answered for one in ends)
    most = a_row * np.array([one.costs.rows for one in ends])
    chosen = np.random.default_rng(0).integers(len(ends), size=(RESAMPLED, len(ends)))
    low, high = np.quantile(added[chosen].sum(axis=1) / most[chosen].sum(axis=1), [0.025, 0.975])
    return float(added.sum() / most.sum()), float(low), float(high)
