"""Do more requests wait for a model than it may keep waiting: then it refuses them instead of answering ever later.

Triton has a limit of its own, `default_queue_policy.max_queue_size`. With it, or with a time-out, Triton 2.51 does not fill
the queues of its instances ahead and wakes its batcher only when an instance happens to be listening: now and then
requests lie for half a second beside idle instances, and after many merged batches nearly all do (Triton's issue 8870).
So Triton's queue has no limit here.

Instead an instance asks, when a batch begins, how many requests wait behind it. While they are more than may, it refuses
batches, whole and unread, which is quick; then it answers one. So there wait at most as many as may and what arrives during
the longest batch, however large the requests are. Triton hands over a queue from its front: the oldest are refused.

Refusing takes at most as much time as answering. If requests come faster than they can be refused, no bound can be kept,
but half of the time the model still answers.

How many wait is a gauge of Triton's metrics. It can be read without asking for their page: a metric that is made with the
name and the labels of one that Triton has is the same metric.
"""

import ctypes
import time
from collections.abc import Callable

import triton_python_backend_utils as pb_utils

from serving.triton.refusal import BUSY, Overloaded

PENDING = "nv_inference_pending_request_count"
LOOK_EVERY_S = 0.003  # a look takes 0.1 ms, a third of a small batch
MOST_S = 1.0  # refused at a stretch


class Backlog:
    """Watches the queue of one version of a model, for one instance. `too_long` is cheap."""

    def __init__(
        self,
        model: str,
        version: str,
        max_waiting: int,
        waiting: Callable[[], float] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`waiting` says how many requests wait; None: Triton's metrics do. `clock` is in seconds."""
        self._max_waiting, self._clock = max_waiting, clock
        self._waiting = waiting or waiting_requests(model, version)
        self._since, self._left_s, self._refused = clock(), MOST_S, False  # what was done since when; what may be refused yet
        self._looked = -LOOK_EVERY_S
        self._is_known = True

    def too_long(self) -> bool:
        """Shall the batch that begins now be refused, all of it."""
        now = self._clock()
        passed, self._since = now - self._since, now
        self._left_s = min(max(self._left_s + (-passed if self._refused else passed), 0.0), MOST_S)
        self._refused = self._left_s > 0 and self._is_too_long(now)
        return self._refused

    def refusal(self) -> Overloaded:
        """What a refused request is told."""
        return Overloaded(
            f"{BUSY}too many requests are waiting, at most {self._max_waiting} may (serving.repository.max_queue_size); "
            "try again later"
        )

    def _is_too_long(self, now: float) -> bool:
        if not self._refused and now - self._looked < LOOK_EVERY_S:
            return False  # it was not when the batch before began
        self._looked = now
        try:
            return self._waiting() > self._max_waiting
        except pb_utils.TritonModelException as error:
            if self._is_known:
                pb_utils.Logger.log_error(f"how many requests wait is not known, so none is refused for it: {error}")
            self._is_known = False
            return False


def waiting_requests(model: str, version: str) -> Callable[[], float]:
    """What says how many requests wait for a version of a model: Triton's own gauge."""
    family = pb_utils.MetricFamily(name=PENDING, description=PENDING, kind=pb_utils.MetricFamily.GAUGE)
    gauge = family.Metric(labels={"model": model, "version": version})
    for kept in (family, gauge):  # until the process ends and beyond: with the object Triton's metric would be deleted
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(kept))
    return gauge.value
