"""Which step of a rollout is in force on each day: the controller's rule, with looks at midnight (UTC).

Days and labelled rows do not depend on what the models say, so that it is known beforehand.
"""

from collections.abc import Sequence
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


def schedule_of(rows_D: np.ndarray, config: RolloutConfig, maturity: int) -> Schedule:
    """`rows_D`: shown rows of each day."""
    last, number, began, promotable = len(config.steps) - 1, 0, 0, len(rows_D) + 1
    steps: list[int] = []
    for day in range(len(rows_D) + 1):
        while _is_over(config, number, day - began, int(rows_D[began : max(began, day - maturity)].sum())):
            if number == last:
                promotable = min(promotable, day)
                break
            number, began = number + 1, day
        steps.append(number)
    step_D = np.array(steps[:-1])
    share = np.array([step.share / 100 for step in config.steps])
    return Schedule(step_D=step_D, share_D=share[step_D], promotable=promotable, maturity=maturity)


def _is_over(config: RolloutConfig, number: int, days: int, labelled: int) -> bool:
    step = config.steps[number]
    return days >= step.days and labelled >= step.rows
