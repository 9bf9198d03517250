"""A challenger that is worse in one value of a watched column only."""

from statistics import median

from bench.figures import Figure
from bench.rollout.runs import outcomes
from bench.rollout.settings import BenchRolloutConfig
from bench.rollout.shares import at_least
from bench.rollout.simulation.models import Scenario
from bench.rollout.simulation.pool import page_pool


def figures(config: BenchRolloutConfig) -> list[Figure]:
    """With policy all: of the other, two months have fewer rows than those within which it is to be found."""
    column, value = config.slice_column, config.slice_value
    code = page_pool(config.seed, config.pages, config.candidates).values[column].index(value)
    scenario = Scenario(name=f"{value} {config.slice_worse:.0%} worse", worse=config.slice_worse, column=column, code=code)
    ends = outcomes(config, scenario, "all", "not_worse")
    rows = [one.rows for one in ends if one.ended == "back"]
    said = f" (median {median(rows):,.0f})" if rows else ""
    return [
        at_least(
            f"challenger {config.slice_worse:.0%} worse where {column} is {value}: sent back within {config.slice_within:,} "
            f"rows{said}",
            [one.ended == "back" and one.rows <= config.slice_within for one in ends],
            config.limits.slice_found,
        )
    ]
