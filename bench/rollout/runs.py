"""Many rollouts of a scenario, in several processes."""

import multiprocessing
from collections import Counter
from dataclasses import dataclass, replace
from functools import lru_cache, partial

from bench.rollout.settings import BenchRolloutConfig, TrafficConfig
from bench.rollout.simulation.models import Scenario
from bench.rollout.simulation.outcome import RolloutOutcome, outcome_of
from bench.rollout.simulation.play import Theatre, theatre
from bench.rollout.simulation.pool import page_pool
from bench.served.entry import say
from contracts.lifecycle.live import Policy
from contracts.lifecycle.rollout import Need, RolloutConfig
from contracts.params import read_section

TOLD_EVERY = 100


@dataclass(frozen=True, kw_only=True)
class Staged:
    """What a process needs to know of a scenario to play it."""

    scenario: Scenario
    policy: Policy
    need: Need
    seed: int  # of the first world
    worlds: int
    pages: int
    candidates: int
    maturity: int


def outcomes(
    config: BenchRolloutConfig, scenario: Scenario, traffic: TrafficConfig, need: Need, number: int
) -> list[RolloutOutcome]:
    """Of so many rollouts, in order of their seeds."""
    staged = Staged(
        scenario=scenario,
        policy=traffic.policy,
        need=need,
        seed=config.seed,
        worlds=config.worlds,
        pages=traffic.pages(config.candidates),
        candidates=config.candidates,
        maturity=config.maturity_days,
    )
    found: list[RolloutOutcome] = []
    with multiprocessing.get_context("spawn").Pool(config.workers) as pool:
        for done, one in enumerate(pool.imap(partial(rolled_out, staged), range(number), chunksize=5), 1):
            found.append(one)
            if done % TOLD_EVERY == 0 or done == number:
                ends = Counter(one.ended for one in found)
                why = Counter(reason for one in found for reason in one.why)
                say(f"{scenario.name}, {traffic.name}, need {need}: {done} rollouts, {dict(ends)}, sent back by {dict(why)}")
    return found


def rolled_out(staged: Staged, number: int) -> RolloutOutcome:
    return outcome_of(_theatre(staged, number % staged.worlds), number)


@lru_cache(maxsize=4)
def _theatre(staged: Staged, world: int) -> Theatre:
    pool = page_pool(staged.seed + world, staged.pages, staged.candidates)
    config = replace(read_section("rollout", RolloutConfig), need=staged.need)
    return theatre(staged.scenario, staged.policy, pool, config, staged.maturity)
