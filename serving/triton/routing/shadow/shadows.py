"""The thread in which one arm computes what the other one answered, after that, for the journal and for the guards."""

import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from contracts.serving.route import BUCKETS
from serving.triton.journal.layout import CHALLENGER, SHADOW
from serving.triton.routing.case import Case
from serving.triton.routing.guards import ERROR, FINE
from serving.triton.routing.open_release import OpenRelease
from serving.triton.routing.outcome import Answered, Outcome
from serving.triton.routing.shadow.hours import DONE, DROPPED_BY_KEY, DROPPED_FULL, FAILED, ShadowHours
from serving.triton.routing.shadow.level import ShadowLevel
from serving.triton.routing.table import Challenge, InForce, Table

MOST_REQUESTS, MOST_ROWS = 512, 32_768  # that may wait
REST_S = 0.2  # between two looks at the clock while nothing comes


@dataclass(frozen=True, kw_only=True)
class Job:
    """Requests of one call of a graph that were answered, and that the other arm computes too."""

    table: Table
    challenge: Challenge
    cases: list[Case]
    answers: list[Answered]
    by_challenger: bool  # answered them
    cost_s: float | None  # computing time of the answers; None if it was for other rows as well

    @property
    def rows(self) -> int:
        return sum(case.request.num_rows for case in self.cases)


class Shadows:
    """`offer` is cheap. `hours` counts, `say` takes a sentence for the log."""

    def __init__(self, in_force: InForce, hours: ShadowHours, say: Callable[[str], None]) -> None:
        self._in_force, self._hours, self._say = in_force, hours, say
        self._level = ShadowLevel(time.monotonic())
        self._jobs: deque[Job] = deque()
        self._requests = self._rows = 0
        self._some, self._stops, self._has_told = threading.Condition(), False, False
        self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)
        self._thread.start()

    def offer(self, table: Table, cases: list[Case], outcomes: list[Outcome], cost_s: float) -> None:
        """What one arm has just answered, with what it took, is handed on as far as it is wanted and there is room."""
        challenge, trial = table.challenge, table.route.trial
        if challenge is None or trial is None or challenge.is_off:
            return
        taken, answers = [], []
        for case, outcome in zip(cases, outcomes, strict=True):
            if isinstance(outcome, Answered) and self._is_taken(case, trial.shadow_ppm):
                taken.append(case)
                answers.append(outcome)
        if not taken:
            return
        by_challenger, whole = taken[0].chosen.arm == CHALLENGER, len(taken) == len(cases)
        self._put(
            Job(
                table=table, challenge=challenge, cases=[case.kept() for case in taken], answers=answers,
                by_challenger=by_challenger, cost_s=cost_s if whole else None,
            )
        )  # fmt: skip

    def close(self, within_s: float) -> None:
        """What waits is dropped."""
        with self._some:
            self._stops = True
            left, self._jobs = self._jobs, deque()
            self._some.notify()
        self._hours.count(DROPPED_FULL, sum(len(job.cases) for job in left))
        self._thread.join(timeout=within_s)
        if self._thread.is_alive():
            self._say("a shadow still computes; it is left behind")
        self._hours.close()

    def _is_taken(self, case: Case, shadow_ppm: int) -> bool:
        """All of the challenger's requests are, as far as there is room: the guards need its answers beside the champion's."""
        place = case.chosen.shadow_bucket
        wanted = BUCKETS if case.chosen.arm == CHALLENGER else shadow_ppm
        if place is None or place >= wanted:
            return False
        if self._level.takes(place, wanted):
            return True
        self._hours.count(DROPPED_BY_KEY)
        return False

    def _put(self, job: Job) -> None:
        with self._some:
            fill = max(self._requests / MOST_REQUESTS, self._rows / MOST_ROWS)
            self._level.follow(fill, time.monotonic())
            if self._stops or fill >= 1:
                self._hours.count(DROPPED_FULL, len(job.cases))
                return
            self._in_force.hold(job.table)
            self._jobs.append(job)
            self._requests, self._rows = self._requests + len(job.cases), self._rows + job.rows
            self._some.notify()

    def _take(self) -> Job | None:
        with self._some:
            if not self._jobs:
                self._some.wait(REST_S)
            if not self._jobs:
                self._level.follow(0.0, time.monotonic())
                return None
            job = self._jobs.popleft()
            self._requests, self._rows = self._requests - len(job.cases), self._rows - job.rows
            return job

    def _run(self) -> None:
        while not self._stops:
            job = self._take()
            self._hours.look()
            if job is None:
                continue
            try:
                self._compute(job)
            except Exception:  # whatever it is: nobody waits for a shadow
                self._failed(job)
            finally:
                self._in_force.give_back(job.table)

    def _compute(self, job: Job) -> None:
        other: OpenRelease = job.table.champion if job.by_challenger else job.challenge.release
        computed = other.compute([case.request for case in job.cases])
        job.challenge.examine(computed, is_own=not job.by_challenger)
        routed = [case.routed(SHADOW, answer.prediction_id) for case, answer in zip(job.cases, job.answers, strict=True)]
        outcomes = other.settle(computed, job.table.digest, routed, counts=False)
        done = [isinstance(outcome, Answered) for outcome in outcomes]
        self._hours.count(DONE, sum(done))
        self._hours.count(FAILED, len(done) - sum(done))
        if not job.by_challenger:
            job.challenge.end(job.challenge.guards.requests((FINE if fine else ERROR, None) for fine in done))
        if any(done):
            self._judge(job, outcomes, computed.cost_s)

    def _judge(self, job: Job, outcomes: list[Outcome], cost_s: float) -> None:
        pairs = [(ours, theirs) for ours, theirs in zip(job.answers, outcomes, strict=True) if isinstance(theirs, Answered)]
        answered, shadowed = (np.concatenate([answer.p_click_N for answer in side]) for side in zip(*pairs, strict=True))
        times: Any = None if job.cost_s is None else (job.cost_s, cost_s)
        if job.by_challenger:
            answered, shadowed = shadowed, answered
            times = times and times[::-1]
        if np.isfinite(answered).all():  # else it is the champion that is broken
            job.challenge.end(job.challenge.guards.pair(answered, shadowed, times))

    def _failed(self, job: Job) -> None:
        self._hours.count(FAILED, len(job.cases))
        if not self._has_told:
            self._say(f"a shadow failed (told once): {traceback.format_exc()}")
        self._has_told = True
        if not job.by_challenger:
            job.challenge.end(job.challenge.guards.requests([(ERROR, None)] * len(job.cases)))
