"""A challenger that is clearly worse, beside a test of fixed size that looks once."""

from collections.abc import Sequence
from statistics import NormalDist, median

import numpy as np

from bench.figures import Figure
from bench.rollout.runs import outcomes
from bench.rollout.settings import BenchRolloutConfig
from bench.rollout.shares import at_least, at_most
from bench.rollout.simulation.models import Scenario
from bench.rollout.simulation.outcome import RolloutOutcome
from contracts.lifecycle.rollout import RolloutConfig
from contracts.params import read_section
from lifecycle.rollout.statistics.metrics import CANARY_SHARE


def figures(config: BenchRolloutConfig) -> list[Figure]:
    limits, found = config.limits, []
    level = read_section("rollout", RolloutConfig).alpha_back * CANARY_SHARE
    for traffic in config.traffic:
        ends = outcomes(
            config, Scenario(name=f"{config.differs:.0%} worse", worse=config.differs), traffic, "not_worse", config.rollouts
        )
        found += [
            at_most(
                f"challenger {config.differs:.0%} worse, {traffic.name}: promoted",
                [one.ended == "promoted" for one in ends],
                limits.worse_promoted,
            ),
            at_least(
                f"challenger {config.differs:.0%} worse, {traffic.name}: sent back",
                [one.ended == "back" for one in ends],
                limits.worse_back,
            ),
            _rows(f"challenger {config.differs:.0%} worse, {traffic.name}", ends, level, limits.worse_back),
        ]
    return found


def _rows(what: str, ends: Sequence[RolloutOutcome], level: float, power: float) -> Figure:
    rows = [one.rows for one in ends if one.ended == "back"]
    half, most = (fixed_rows(ends, level, chance) for chance in (0.5, power))
    ours = f"{median(rows):,.0f} (9 of 10 by {np.quantile(rows, 0.9):,.0f})" if rows else "none"
    return Figure(
        what=f"{what}: median rows until sent back, beside a test that looks once, at the same level, after as many rows as give "
        f"it 50 % and {power:.0%} power",
        figure=f"{ours}; {half} and {most}",
    )


def fixed_rows(ends: Sequence[RolloutOutcome], level: float, power: float) -> str:
    """Rows after which the share of the rollouts whose statistic is beyond the level's quantile has reached the power."""
    quantile, looks = NormalDist().inv_cdf(1 - level), min(len(one.x_L) for one in ends)
    rows_L = ends[0].rows_L[:looks]
    beyond_L = np.mean([np.nan_to_num(one.x_L[:looks], nan=-np.inf) > quantile for one in ends], axis=0)
    enough = np.flatnonzero(beyond_L >= power)
    return f"{int(rows_L[enough[0]]):,}" if len(enough) else f"more than {int(rows_L[-1]):,}"
