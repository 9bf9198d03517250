"""One simulated rollout: users get their arms, page views their answers, shown rows their clicks; the statistics look at all
of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from bench.rollout.simulation.layout import Layout, ShownRows, layout_of
from bench.rollout.simulation.models import Rivals, Scenario, rivals_of, sigmoid
from bench.rollout.simulation.pool import PagePool
from bench.rollout.simulation.schedule import Schedule, schedule_of
from bench.rollout.simulation.tables import JudgedRows, tables_of
from contracts.lifecycle.live import Policy
from contracts.lifecycle.rollout import RolloutConfig
from lifecycle.rollout.statistics.cells import Table
from lifecycle.rollout.statistics.judge import LookVerdicts, verdicts

FIRST_DAYS = 18  # judged first: most rollouts have ended by then


@dataclass(frozen=True, kw_only=True)
class Theatre:
    """What all rollouts of a scenario have in common."""

    pool: PagePool
    policy: Policy
    scenario: Scenario
    rivals: Rivals
    config: RolloutConfig
    maturity: int  # days
    layouts: dict[tuple[int, int], Layout] = field(
        default_factory=dict
    )  # by rows and days of shadow; where all is shown they are the same for all rollouts


@dataclass(frozen=True, kw_only=True)
class RolloutPlay:
    """Everything that happened in a rollout, until the last day of the pool whatever was decided."""

    schedule: Schedule
    is_ours_P: np.ndarray  # does the challenger's arm answer
    shown: ShownRows
    page_N: np.ndarray  # of a shown row
    judged: JudgedRows
    added_N: np.ndarray  # expected log-loss of the answer beyond that of the champion's


@dataclass(frozen=True, kw_only=True)
class PlayLooks:
    layout: Layout
    tables: Mapping[str, Table]
    verdicts: LookVerdicts


def theatre(scenario: Scenario, policy: Policy, pool: PagePool, config: RolloutConfig, maturity: int) -> Theatre:
    rivals = rivals_of(scenario, pool, policy)
    return Theatre(pool=pool, policy=policy, scenario=scenario, rivals=rivals, config=config, maturity=maturity)


def schedule_in(stage: Theatre, bucket_U: np.ndarray) -> Schedule:
    """Where each user has a place between 0 and 1: those below a share are the challenger's."""
    pool, bucket_P = stage.pool, bucket_U[stage.pool.user_P]
    bounds = np.searchsorted(pool.day_P, np.arange(pool.num_days + 1))
    rows = pool.log_odds_PK.shape[1] if stage.policy == "all" else 1

    def rows_of(day: int, share: float) -> int:
        today = bucket_P[bounds[day] : bounds[day + 1]]
        return rows * int((today < share).sum() if share else len(today))

    return schedule_of(rows_of, pool.num_days, stage.config, stage.maturity)


def played(stage: Theatre, seed: int) -> RolloutPlay:
    pool, rng = stage.pool, np.random.default_rng([seed, 21])
    champion_PK, challenger_PK = stage.rivals.log_odds(stage.scenario, pool, rng)
    bucket_U = rng.random(pool.num_users)
    schedule = schedule_in(stage, bucket_U)
    is_ours_P = bucket_U[pool.user_P] < schedule.share_D[pool.day_P]
    true_PK, beside_PK = pool.log_odds_PK, challenger_PK
    if stage.scenario.is_broken:
        wrong_PK = challenger_PK.ravel()[rng.permutation(challenger_PK.size)].reshape(challenger_PK.shape)
        beside_PK = np.where(is_ours_P[:, None], wrong_PK, challenger_PK)
    clicked_PK = rng.random(true_PK.shape, dtype=np.float32) < sigmoid(true_PK)
    page_N, place_N = _shown(stage.policy, np.where(is_ours_P[:, None], beside_PK, champion_PK))
    at = (page_N, place_N)
    champion, challenger, truth = champion_PK[at], beside_PK[at], sigmoid(true_PK[at])
    excess = np.logaddexp(0, challenger) - np.logaddexp(0, champion) - truth * (challenger - champion)
    return RolloutPlay(
        schedule=schedule,
        is_ours_P=is_ours_P,
        page_N=page_N,
        shown=ShownRows(
            day_N=pool.day_P[page_N],
            user_N=pool.user_P[page_N],
            creative_N=pool.creative_PK[at],
            slices={name: code_PK[at] for name, code_PK in pool.slices.items()},
        ),
        judged=JudgedRows(
            is_challenger_N=is_ours_P[page_N],
            champion_N=sigmoid(champion.astype(np.float64)),
            challenger_N=sigmoid(challenger.astype(np.float64)),
            clicked_N=clicked_PK[at],
        ),
        added_N=np.where(is_ours_P[page_N], excess, 0.0),
    )


def _shown(policy: Policy, answer_PK: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Page view and place of each shown row."""
    num_pages, candidates = answer_PK.shape
    if policy == "all":
        return np.repeat(np.arange(num_pages), candidates), np.tile(np.arange(candidates), num_pages)
    return np.arange(num_pages), answer_PK.argmax(axis=1)


def looked_at(stage: Theatre, play: RolloutPlay, days: int) -> PlayLooks:
    """All looks at the rows of the first `days` days."""
    stop = int(np.searchsorted(play.shown.day_N, days))
    shown = ShownRows(
        day_N=play.shown.day_N[:stop],
        user_N=play.shown.user_N[:stop],
        creative_N=play.shown.creative_N[:stop],
        slices={name: code_N[:stop] for name, code_N in play.shown.slices.items()},
    )
    layout = _layout(stage, play.schedule, shown)
    judged = JudgedRows(**{name: value_N[:stop] for name, value_N in vars(play.judged).items()})
    tables = tables_of(layout, judged, stage.pool.values, stage.config.slice_margin)
    return PlayLooks(layout=layout, tables=tables, verdicts=verdicts(tables, stage.config))


def _layout(stage: Theatre, schedule: Schedule, shown: ShownRows) -> Layout:
    steps, number = stage.config.steps, len(shown.day_N)
    is_shadow_D = np.array([steps[step].mode == "shadow" for step in schedule.step_D])
    if stage.policy != "all":
        return layout_of(shown, is_shadow_D, stage.config.look_rows)
    key = (number, int(is_shadow_D.sum()))
    if key not in stage.layouts:
        stage.layouts[key] = layout_of(shown, is_shadow_D, stage.config.look_rows)
    return stage.layouts[key]
