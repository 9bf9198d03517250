"""Which step of a rollout is in force on each day: the controller's rule, with looks at midnight (UTC).

Days and labelled rows do not depend on what the models say, so that it is known before them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from contracts.lifecycle.rollout import RolloutConfig
from contracts.serving.route import BUCKETS
from lifecycle.rollout.rollout import Step

DAY_NS = 86_400_000_000_000
SHARE_PPM = BUCKETS // 100  # of a percent


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Of a rollout that begins at midnight of day 0 and is not sent back."""

    step_D: np.ndarray  # number of the step in force
    share_D: np.ndarray  # of the users that the challenger answers, 0 to 1
    promotable: int  # the day at whose beginning the last step has had its days and rows; beyond the last day if never
    maturity: int  # days after a day's end until its labels are final

    def known_at(self, day: int) -> int:
        """The day at whose beginning the labels of `day` are final."""
        return day + 1 + self.maturity

    def steps(self, config: RolloutConfig, begun_ns: int) -> Sequence[Step]:
        """As `state.json` has them."""
        firsts = np.flatnonzero(np.diff(self.step_D, prepend=-1))
        return tuple(
            Step(
                number=number,
                mode=config.steps[number].mode,
                share_ppm=round(config.steps[number].share * SHARE_PPM),
                digest="",
                from_ns=begun_ns + int(first) * DAY_NS,
            )
            for number, first in zip(self.step_D[firsts].tolist(), firsts, strict=True)
        )


def schedule_of(rows_of: Callable[[int, float], int], days: int, config: RolloutConfig, maturity: int) -> Schedule:
    """`rows_of`: shown rows of a day that a challenger with that share of the users answers; all, where the share is 0."""
    last, number, began, promotable = len(config.steps) - 1, 0, 0, days + 1
    steps: list[int] = []
    rows: list[int] = []
    for day in range(days + 1):
        while _is_over(config, number, day - began, sum(rows[began : max(began, day - maturity)])):
            if number == last:
                promotable = min(promotable, day)
                break
            number, began = number + 1, day
        if day < days:
            steps.append(number)
            rows.append(rows_of(day, config.steps[number].share / 100))
    step_D = np.array(steps)
    share = np.array([step.share / 100 for step in config.steps])
    return Schedule(step_D=step_D, share_D=share[step_D], promotable=promotable, maturity=maturity)


def _is_over(config: RolloutConfig, number: int, days: int, labelled: int) -> bool:
    step = config.steps[number]
    return days >= step.days and labelled >= step.rows
