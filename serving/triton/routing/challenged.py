"""Requests that the challenger is asked: handed over, waited for, and given to the champion where nothing comes of it."""

from dataclasses import dataclass

import triton_python_backend_utils as pb_utils

from serving.triton.journal.layout import CHALLENGER
from serving.triton.packed_request import PackedRequest
from serving.triton.refusal import Refused
from serving.triton.routing.case import Case
from serving.triton.routing.guards import ERROR, FINE, TIMEOUT
from serving.triton.routing.open_release import Computed
from serving.triton.routing.outcome import FAILED, Outcome
from serving.triton.routing.runner import Task
from serving.triton.routing.table import Challenge, Table

FULL, TIMED_OUT, FAULT, REFUSED = "full", "timeout", "error", "refused"  # why the champion answers


@dataclass(frozen=True, kw_only=True)
class ChallengerSaid:
    """What the challenger said to each request, FAILED where nothing; and those that the champion has to answer, with why."""

    outcomes: list[Outcome]
    fallen: list[tuple[Case, str]]
    cost_s: float | None  # None if it said nothing at all


class Challenged:
    """Some requests of one batch. Those that asked for this release by its number do not fall back."""

    def __init__(self, challenge: Challenge, cases: list[Case], task: Task[list[PackedRequest], Computed] | None) -> None:
        self._challenge, self.cases, self._task = challenge, cases, task

    @classmethod
    def ask(cls, table: Table, cases: list[Case]) -> "Challenged":
        """Hand the requests over; the challenger computes while others are answered."""
        challenge, kept = table.challenge, [case.kept() for case in cases]
        assert challenge is not None  # else nobody had been sent to it
        return cls(challenge, kept, challenge.runner.begin([case.request for case in kept]))

    def outcomes(self, table: Table) -> ChallengerSaid:
        """Wait for it, no longer than a request may."""
        task = self._task
        if task is None:
            return self._nothing(FULL)
        if not task.wait(task.began_s + self._challenge.limits.timeout_ms / 1000):
            return self._nothing(TIMED_OUT)
        if task.found is None:
            pb_utils.Logger.log_error(f"release {self._challenge.release.version} failed: {task.error}")
            return self._nothing(FAULT)
        computed = task.found
        broken = self._challenge.examine(computed, is_own=True)
        outcomes = self._challenge.release.settle(computed, table.digest, [case.routed() for case in self.cases])
        fallen = []
        for place, (case, outcome) in enumerate(zip(self.cases, outcomes, strict=True)):
            if isinstance(outcome, Refused) and case.chosen.arm == CHALLENGER:
                fallen.append((case, FAULT if broken[place] else REFUSED))
            elif broken[place]:
                outcomes[place] = FAILED
        return ChallengerSaid(outcomes=outcomes, fallen=fallen, cost_s=computed.cost_s)

    def judge(self, found: ChallengerSaid, is_fault: list[bool]) -> None:
        """Tell the guards. `is_fault` of those that fell: the champion did not refuse them too."""
        why = {case.number: reason for (case, reason), own in zip(found.fallen, is_fault, strict=True) if own}
        fallen = {case.number for case, _ in found.fallen}
        ms = None if self._task is None else min(self._task.took_ms, self._challenge.limits.timeout_ms) or None
        seen = []
        for case in self.cases:
            reason = why.get(case.number)
            if case.chosen.arm != CHALLENGER or (reason is None and case.number in fallen):
                continue
            outcome = FINE if reason is None else TIMEOUT if reason in (FULL, TIMED_OUT) else ERROR
            seen.append((outcome, float(self._challenge.limits.timeout_ms) if reason == TIMED_OUT else ms))
        self._challenge.end(self._challenge.guards.requests(seen))

    def _nothing(self, reason: str) -> ChallengerSaid:
        fallen = [(case, reason) for case in self.cases if case.chosen.arm == CHALLENGER]
        return ChallengerSaid(outcomes=[FAILED] * len(self.cases), fallen=fallen, cost_s=None)
