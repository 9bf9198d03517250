"""A challenger that is worse by exactly what counts as none."""

from bench.figures import Figure
from bench.rollout.runs import outcomes
from bench.rollout.settings import BenchRolloutConfig
from bench.rollout.shares import at_most
from bench.rollout.simulation.models import Scenario
from contracts.lifecycle.rollout import RolloutConfig
from contracts.params import read_section


def figures(config: BenchRolloutConfig) -> list[Figure]:
    margin, found = read_section("rollout", RolloutConfig).margin, []
    scenario = Scenario(name=f"{margin:.1%} worse", worse=margin)
    for traffic in config.traffic:
        ends = outcomes(config, scenario, traffic, "not_worse", config.rollouts)
        found.append(
            at_most(
                f"challenger worse by exactly the margin of {margin:.1%}, {traffic.name}: promoted",
                [one.ended == "promoted" for one in ends],
                config.limits.at_margin,
            )
        )
    return found
