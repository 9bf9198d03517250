"""How a simulated rollout ends, and when: what the controller makes of the first look that decides."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from bench.rollout.simulation.play import FIRST_DAYS, PlayLooks, RolloutPlay, Theatre, looked_at, played
from lifecycle.rollout.statistics.figures import estimated, excess_loss
from lifecycle.rollout.statistics.ratio import sample_ratio

Ended = Literal["promoted", "back", "open"]
RATIO = "sample ratio"


@dataclass(frozen=True, kw_only=True)
class Costs:
    """From the first canary step until the challenger is gone."""

    added: float  # expected log-loss beyond the champion's, in nats, of all rows that the challenger answered
    answered: int  # these rows
    rows: int  # all shown rows in that time


@dataclass(frozen=True, kw_only=True)
class RolloutOutcome:
    """`open`: neither was shown until the rollout's longest duration, or the last day of the pool."""

    ended: Ended
    day: int  # at whose beginning the controller acts
    rows: int  # labelled rows at the look that decided, or all
    why: tuple[str, ...]  # metrics that failed
    x_L: np.ndarray  # float32: the log-loss's statistic at each look, as far as there are looks
    rows_L: np.ndarray
    costs: Costs


def outcome_of(stage: Theatre, seed: int) -> RolloutOutcome:
    play = played(stage, seed)
    last = min(stage.pool.num_days, int(stage.config.longest_days))
    for days in sorted({min(FIRST_DAYS, last), last}):
        looked = looked_at(stage, play, days)
        found = _ended(stage, play, looked, last)
        if found is not None:
            break
    ended, day, rows, why = found or ("open", last, int(looked.layout.ends_L[-1]), ())
    x_L = statistic(looked, stage.config.margin if stage.config.need == "not_worse" else 0.0)
    return RolloutOutcome(
        ended=ended, day=day, rows=rows, why=why, x_L=x_L, rows_L=looked.layout.ends_L, costs=_costs(stage, play, day)
    )


def statistic(looked: PlayLooks, margin: float) -> np.ndarray:
    """float32 [L]: estimate by standard error of the mean of both arms, against the margin."""
    found = estimated(looked.tables["canary"], excess_loss(margin), "both")
    with np.errstate(divide="ignore", invalid="ignore"):
        return (found.value / found.error).astype(np.float32)


def _ended(stage: Theatre, play: RolloutPlay, looked: PlayLooks, last: int) -> tuple[Ended, int, int, tuple[str, ...]] | None:
    """None if nothing is decided by the days that were looked at. The controller acts on the newest day's last look."""
    found: list[tuple[int, Ended, int, tuple[str, ...]]] = []
    layout, known_at = looked.layout, play.schedule.known_at
    if (fail := looked.verdicts.first_fail) is not None:
        why = tuple(f"{name} {metric}" for (name, metric), answer in looked.verdicts.answers.items() if answer.fails[fail])
        found.append((known_at(int(layout.day_L[fail])), "back", int(layout.ends_L[fail]), why))
    if (mismatch := first_mismatch(stage, play)) is not None and (before := layout.day_L <= mismatch).any():
        found.append((known_at(mismatch), "back", int(layout.ends_L[before][-1]), (RATIO,)))
    passes_L = layout.ends_day_L & looked.verdicts.promotes_L
    for look in np.flatnonzero(passes_L & (layout.day_L >= play.schedule.promotable - known_at(0))).tolist()[:1]:
        found.append((known_at(int(layout.day_L[look])), "promoted", int(layout.ends_L[look]), ()))
    in_time = sorted(one for one in found if one[0] <= last)  # on the same day "back" comes first, as with the controller
    return (in_time[0][1], in_time[0][0], *in_time[0][2:]) if in_time else None


def first_mismatch(stage: Theatre, play: RolloutPlay) -> int | None:
    """The day at whose end a step's arms first seem to have other shares of the routing keys than the route says."""
    pool, days = stage.pool, []
    for step in np.unique(play.schedule.step_D).tolist():
        share = stage.config.steps[step].share / 100
        if not 0 < share < 1:
            continue
        here_P = np.flatnonzero(play.schedule.step_D[pool.day_P] == step)
        firsts = here_P[np.unique(pool.user_P[here_P], return_index=True)[1]]
        of_day, ours = (
            np.bincount(pool.day_P[chosen], minlength=pool.num_days) for chosen in (firsts, firsts[play.is_ours_P[firsts]])
        )
        all_D, ours_D = np.cumsum(of_day), np.cumsum(ours)
        for day in np.flatnonzero(of_day).tolist():
            ratio = sample_ratio(step, share, int(all_D[day] - ours_D[day]), int(ours_D[day]), stage.config.alpha_ratio)
            if ratio.is_mismatch:
                days.append(day)
                break
    return min(days, default=None)


def _costs(stage: Theatre, play: RolloutPlay, day: int) -> Costs:
    canary = int((play.schedule.share_D == 0).sum())
    since_N = (play.shown.day_N >= canary) & (play.shown.day_N < day)
    ours_N = since_N & play.judged.is_challenger_N
    added = float(play.added_N[ours_N].sum())
    return Costs(added=added, answered=int(ours_N.sum()), rows=int(since_N.sum()))
