"""A challenger that is clearly better."""

from statistics import median

from bench.figures import Figure
from bench.rollout.runs import outcomes
from bench.rollout.settings import BenchRolloutConfig
from bench.rollout.shares import at_least
from bench.rollout.simulation.models import Scenario
from stages.settings import load_section
from stages.simulate.config import ExchangeConfig


def figures(config: BenchRolloutConfig) -> list[Figure]:
    found, usual = [], load_section("exchange", ExchangeConfig).impressions_per_month
    scenario = Scenario(name=f"{config.differs:.0%} better", worse=-config.differs)
    for traffic in config.traffic:
        for need in ("better", "not_worse"):
            ends = outcomes(config, scenario, traffic, need, config.fewer)
            days = [one.day for one in ends if one.ended == "promoted"]
            soon = [one.ended == "promoted" and one.day <= config.month_days for one in ends]
            said = f" (median day {median(days):.0f})" if days else ""
            within = f"promoted within {config.month_days} days{said}"
            what = f"challenger {config.differs:.0%} better, need {need}, {traffic.name}: {within}"
            figure = at_least(what, soon, config.limits.better_promoted)
            found.append(figure if traffic.rows >= usual else Figure(what=what, figure=figure.figure))
    return found
