"""serving/triton's `Backlog` as a model of the simulation: one for each instance, as each is a process of its own."""

from types import ModuleType

from tests.serving.triton.waiting.scenarios import BATCH_S, BOUND, INSTANCES, REFUSAL_S, ROW_S


class PythonModel:
    """A `Model`. `module` is serving.triton.backlog."""

    def __init__(self, module: ModuleType, rows: int) -> None:
        self._rows, self._waiting, self._now = rows, 0, 0.0
        given = {"waiting": lambda: float(self._waiting), "clock": lambda: self._now}
        self._backlogs = [module.Backlog("ctr", "7", BOUND, **given) for _ in range(INSTANCES)]

    def run(self, instance: int, requests: range, now_s: float, waiting: int) -> tuple[float, bool]:
        self._waiting, self._now = waiting, now_s
        refused = self._backlogs[instance].too_long()
        took = len(requests) * REFUSAL_S if refused else BATCH_S + len(requests) * self._rows * ROW_S
        return now_s + took, not refused
