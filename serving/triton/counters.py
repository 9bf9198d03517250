"""What the model tells Prometheus: counted in this process, added to Triton's metrics from a thread beside the requests.

Prometheus' own histogram type takes one call a value, 10 microseconds each; the buckets are counters here, added once
an interval, under the names that a histogram has.
"""

import threading
from collections import Counter

import numpy as np
import triton_python_backend_utils as pb_utils

BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0)
FAMILIES = {
    "adclick_requests_total": "Requests by outcome (answered, refused, failed)",
    "adclick_rows_total": "Rows that were answered",
    "adclick_refused_total": "Requests that were refused, by the rule they broke",
    "adclick_unknown_values_total": "Values that training has not seen often enough, by column",
    "adclick_missing_values_total": "Missing values, by column",
    "adclick_creatives_total": "Rows by what was known of their creative: known, image (sent along), unknown",
    "adclick_creative_images_total": "Images of creatives that were sent, by outcome (encoded, refused)",
    "adclick_predicted_probability_bucket": "Answered rows with a probability of at most le",
    "adclick_predicted_probability_sum": "Sum of the answered probabilities",
    "adclick_predicted_probability_count": "Number of the answered probabilities",
}
Series = tuple[str, tuple[tuple[str, str], ...]]


class Counters:
    """Counts of this process. `count` and `predicted` are cheap; a thread adds them up to Triton's metrics."""

    def __init__(self, interval_s: float, **common: str) -> None:
        self._common, self._interval_s = common, interval_s
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._pending: Counter[Series] = Counter()
        self._families = {
            name: pb_utils.MetricFamily(name=name, description=text, kind=pb_utils.MetricFamily.COUNTER)
            for name, text in FAMILIES.items()
        }
        self._metrics: dict[Series, pb_utils.Metric] = {}
        self._thread = threading.Thread(target=self._run, name="counters", daemon=True)
        self._thread.start()

    def count(self, family: str, number: float = 1, **labels: str) -> None:
        with self._lock:
            self._pending[family, tuple(sorted(labels.items()))] += number

    def predicted(self, p_click_N: np.ndarray) -> None:
        """Count probabilities in all buckets at or above them."""
        upto = np.searchsorted(np.sort(p_click_N), BUCKETS, side="right")
        with self._lock:
            for edge, number in zip(BUCKETS, upto.tolist(), strict=True):
                self._pending["adclick_predicted_probability_bucket", (("le", f"{edge:g}"),)] += number
            self._pending["adclick_predicted_probability_bucket", (("le", "+Inf"),)] += len(p_click_N)
            self._pending["adclick_predicted_probability_sum", ()] += float(p_click_N.sum(dtype=np.float64))
            self._pending["adclick_predicted_probability_count", ()] += len(p_click_N)

    def close(self) -> None:
        """Add what is pending and stop."""
        self._stop.set()
        self._thread.join(timeout=5)
        self._flush()

    def _run(self) -> None:
        while not self._stop.wait(self._interval_s):
            self._flush()

    def _flush(self) -> None:
        with self._lock:
            pending, self._pending = self._pending, Counter()
        for series, number in pending.items():
            family, labels = series
            if series not in self._metrics:
                self._metrics[series] = self._families[family].Metric(labels={**self._common, **dict(labels)})
            self._metrics[series].increment(float(number))
