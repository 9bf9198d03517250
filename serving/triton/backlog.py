"""Do more requests wait for a model than it may keep waiting: then it refuses them instead of answering ever later.

Triton has a limit of its own, `default_queue_policy.max_queue_size`. With it, or with a time-out, Triton 2.51 does not fill
the queues of its instances ahead and wakes its batcher only when an instance happens to be listening: now and then
requests lie for half a second beside idle instances, and after many merged batches nearly all do (Triton's issue 8870).
So Triton's queue has no limit here. A model looks at how many requests wait, in Triton's own metrics, but only when
its batches are such as a long queue makes.
"""

import math
import os
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import triton_python_backend_utils as pb_utils

from serving.triton.environment import METRICS_URL
from serving.triton.refusal import BUSY, Overloaded

PENDING = "nv_inference_pending_request_count"
LOOK_EVERY_S = 0.05
TIMEOUT_S = 1.0
SIGN = 4  # a batch of a fourth of the allowed requests is a sign of a long queue; Triton fills four ahead for two instances


class Backlog:
    """Watches the queue of one model. `too_long` is cheap."""

    def __init__(self, config: dict[str, Any], max_waiting: int, waiting: Callable[[], int] | None = None) -> None:
        """`config` is the model's. `waiting` says how many requests wait for it; None: Triton's metrics do."""
        model, self._max_waiting, self._max_rows = config["name"], max_waiting, config["max_batch_size"]
        self._processes = sum(group["count"] for group in config["instance_group"])  # that share what is refused
        url = os.environ.get(METRICS_URL)
        if waiting is None and url is None:
            pb_utils.Logger.log_warn(f"{METRICS_URL} is not set: requests for '{model}' may wait without limit")
        self._waiting = waiting or (lambda: 0 if url is None else waiting_requests(url, model))
        self._excess, self._refused = 0, False  # requests yet to be refused; was the last batch refused
        self._closed, self._look = False, threading.Event()
        self._thread = threading.Thread(target=self._run, name="backlog", daemon=True)
        self._thread.start()

    def too_long(self, sizes: list[int]) -> bool:
        """Shall this batch be refused: requests of so many rows.

        Whole batches are, every other one at most, until as many requests are refused as were too many at the last look.
        """
        if len(sizes) <= self._max_waiting // SIGN and sum(sizes) + max(sizes, default=0) <= self._max_rows:
            self._excess, self._refused = 0, False  # Triton had no more for us: what waited has been worked off
            return False
        self._look.set()
        if self._excess <= 0 or self._refused:
            self._refused = False  # of two batches one is answered, however many knock
            return False
        self._excess -= len(sizes)
        self._refused = True
        return True

    def refusal(self) -> Overloaded:
        """What a refused request is told."""
        return Overloaded(
            f"{BUSY}too many requests are waiting, at most {self._max_waiting} may (serving.repository.max_queue_size); "
            "try again later"
        )

    def close(self) -> None:
        self._closed = True
        self._look.set()
        self._thread.join(timeout=2 * TIMEOUT_S)

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            self._look.wait()
            self._look.clear()
            if self._closed:
                return
            try:
                self._excess = math.ceil((self._waiting() - self._max_waiting) / self._processes)
            except (OSError, urllib.error.URLError, ValueError) as error:
                self._excess = 0
                pb_utils.Logger.log_warn(f"how many requests wait is not known: {error}")
            pause.wait(LOOK_EVERY_S)


def waiting_requests(url: str, model: str) -> int:
    """Requests that wait for any version of a model, as Triton's metrics say."""
    loopback = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with loopback.open(url, timeout=TIMEOUT_S) as page:
        return pending(page.read().decode(), model)


def pending(metrics: str, model: str) -> int:
    """The same, from the metrics' text. Raises ValueError if a figure is none."""
    lines = (line for line in metrics.splitlines() if line.startswith(PENDING + "{") and f'model="{model}"' in line)
    return sum(int(float(line.rpartition(" ")[2])) for line in lines)
