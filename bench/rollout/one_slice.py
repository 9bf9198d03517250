"""A challenger that is worse in one value of a watched column only."""

from statistics import median

from bench.figures import Figure
from bench.rollout.runs import outcomes
from bench.rollout.settings import BenchRolloutConfig
from bench.rollout.shares import at_least
from bench.rollout.simulation.models import Scenario
from bench.rollout.simulation.pool import MONTHS, page_pool


def figures(config: BenchRolloutConfig) -> list[Figure]:
    """Of the traffic that has, in all its months, the rows within which it is to be found."""
    column, value, found = config.slice_column, config.slice_value, []
    for traffic in config.traffic:
        if traffic.rows * len(MONTHS) < config.slice_within:
            continue
        code = page_pool(config.seed, traffic.pages(config.candidates), config.candidates).values[column].index(value)
        scenario = Scenario(name=f"{value} {config.slice_worse:.0%} worse", worse=config.slice_worse, column=column, code=code)
        ends = outcomes(config, scenario, traffic, "not_worse", config.fewer)
        rows = [one.rows for one in ends if one.ended == "back"]
        said = f" (median {median(rows):,.0f})" if rows else ""
        found.append(
            at_least(
                f"challenger {config.slice_worse:.0%} worse where {column} is {value}, {traffic.name}: sent back within "
                f"{config.slice_within:,} rows{said}",
                [one.ended == "back" and one.rows <= config.slice_within for one in ends],
                config.limits.slice_found,
            )
        )
    return found
