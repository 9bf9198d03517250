"""Models that are equally good."""

from statistics import median

from bench.figures import Figure
from bench.rollout.runs import outcomes
from bench.rollout.settings import BenchRolloutConfig
from bench.rollout.shares import at_least, at_most
from bench.rollout.simulation.models import Scenario


def figures(config: BenchRolloutConfig) -> list[Figure]:
    limits, found = config.limits, []
    for traffic in config.traffic:
        better = outcomes(config, Scenario(name="equal"), traffic, "better", config.rollouts)
        alike = outcomes(config, Scenario(name="equal"), traffic, "not_worse", config.rollouts)
        days = [one.day for one in alike if one.ended == "promoted"]
        found += [
            at_most(
                f"equal models, need better, {traffic.name}: promoted or sent back",
                [one.ended != "open" for one in better],
                limits.ended,
            ),
            at_most(
                f"equal models, need not_worse, {traffic.name}: sent back", [one.ended == "back" for one in alike], limits.back
            ),
            at_least(
                f"equal models, need not_worse, {traffic.name}: promoted within two months"
                + (f" (median day {median(days):.0f})" if days else ""),
                [one.ended == "promoted" for one in alike],
                limits.promoted,
            ),
        ]
    return found
