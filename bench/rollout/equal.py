"""Models that are equally good, and a challenger that is worse by exactly what counts as none."""

from statistics import median

from bench.figures import Figure
from bench.rollout.runs import outcomes
from bench.rollout.settings import BenchRolloutConfig
from bench.rollout.shares import at_least, at_most
from bench.rollout.simulation.models import Scenario
from contracts.lifecycle.rollout import RolloutConfig
from contracts.params import read_section


def figures(config: BenchRolloutConfig) -> list[Figure]:
    margin, limits, found = read_section("rollout", RolloutConfig).margin, config.limits, []
    for policy in config.policies:
        better = outcomes(config, Scenario(name="equal"), policy, "better")
        alike = outcomes(config, Scenario(name="equal"), policy, "not_worse")
        edge = outcomes(config, Scenario(name=f"{margin:.1%} worse", worse=margin), policy, "not_worse")
        days = [one.day for one in alike if one.ended == "promoted"]
        found += [
            at_most(
                f"equal models, need better, {policy}: promoted or sent back",
                [one.ended != "open" for one in better],
                limits.ended,
            ),
            at_most(f"equal models, need not_worse, {policy}: sent back", [one.ended == "back" for one in alike], limits.back),
            at_least(
                f"equal models, need not_worse, {policy}: promoted within two months"
                + (f" (median day {median(days):.0f})" if days else ""),
                [one.ended == "promoted" for one in alike],
                limits.promoted,
            ),
            at_most(
                f"challenger worse by exactly the margin of {margin:.1%}, {policy}: promoted",
                [one.ended == "promoted" for one in edge],
                limits.at_margin,
            ),
        ]
    return found
