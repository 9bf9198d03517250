"""What the model tells Prometheus. Requests only leave their arrays here; a thread beside them counts, once an interval.

Prometheus' own histogram type takes one call a value, 10 microseconds each; the buckets are counters here, added once
an interval, under the names that a histogram has.

Shape letters: N rows, F fields.
"""

import threading
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0)
FIRST_ID = 2  # of values that are neither unknown nor missing
SPECIAL = {"adclick_unknown_values_total": 0, "adclick_missing_values_total": 1}  # ids that the encoder gives them
FAMILIES = {
    "adclick_requests_total": "Requests by outcome: answered, refused, overloaded, failed, unwritten (on_error: refuse)",
    "adclick_rows_total": "Rows that were answered",
    "adclick_refused_total": "Requests that were refused, by the rule they broke",
    "adclick_unknown_values_total": "Values that training has not seen often enough, by column",
    "adclick_missing_values_total": "Missing values, by column",
    "adclick_creatives_total": "Rows by what was known of their creative: known, image (sent along), unknown",
    "adclick_creative_images_total": "Images of creatives that were sent, by outcome: encoded, refused",
    "adclick_journal_total": "Answers that were written to the journal: requests, rows",
    "adclick_journal_bytes_total": "Bytes of the journal's frames",
    "adclick_journal_lost_total": "Answers that are not in the journal, because it could not be written: requests, rows",
    "adclick_journal_images_total": "Images for the journal's store by outcome: written, there (written before)",
    "adclick_journal_image_bytes_total": "Bytes of the images that were written",
    "adclick_journal_images_lost_total": "Images that are not in the journal's store, because it could not be written",
    "adclick_routed_total": "Requests by what the route assigned: champion, challenger, none (in no experiment)",
    "adclick_unkeyed_total": "Requests without a routing key while there was a challenger",
    "adclick_fallback_total": "Requests that the champion answered instead of the challenger: timeout, error, refused, full",
    "adclick_shadow_total": "Requests that the other arm was to compute too: done, failed, dropped_by_key, dropped_full",
    "adclick_guard_trips_total": "Challengers that were put off, by the guard that did it",
    "adclick_route_broken_total": "Routes that could not be read, or whose releases could not be opened",
    "adclick_predicted_probability_bucket": "Answered rows with a probability of at most le",
    "adclick_predicted_probability_sum": "Sum of the answered probabilities",
    "adclick_predicted_probability_count": "Number of the answered probabilities",
}
GAUGES = {
    "adclick_route_info": "1 for the route that is in force",
    "adclick_challenger_open": "Is a challenger open and on",
}
OUTCOMES = ("answered", "refused", "overloaded", "failed", "unwritten")  # from the start: a first value is no rise to Prometheus
Series = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True, kw_only=True)
class AnsweredRows:
    """What is counted of rows that were answered."""

    p_click_N: np.ndarray
    special_NF: np.ndarray  # uint8: 0 unknown, 1 missing, 2 neither; small, for it is kept until it is counted
    is_stranger_N: np.ndarray | None  # bool: the creative is not known; None if the model looks at no images
    has_image_N: np.ndarray | None  # None if no row came with an image


class Counters:
    """Counts of this process; `fields` are the columns of cat_idx. `count` and `answered` are cheap."""

    def __init__(self, interval_s: float, fields: list[str], **common: str) -> None:
        self._common, self._fields, self._interval_s = common, fields, interval_s
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._pending: Counter[Series] = Counter()
        for outcome in OUTCOMES:
            self.count("adclick_requests_total", 0, outcome=outcome)
        self._shown: dict[Series, float] = {}
        self._rows: list[AnsweredRows] = []
        self._families = {
            name: pb_utils.MetricFamily(name=name, description=text, kind=pb_utils.MetricFamily.COUNTER)
            for name, text in FAMILIES.items()
        } | {
            name: pb_utils.MetricFamily(name=name, description=text, kind=pb_utils.MetricFamily.GAUGE)
            for name, text in GAUGES.items()
        }
        self._metrics: dict[Series, pb_utils.Metric] = {}
        self._thread = threading.Thread(target=self._run, name="counters", daemon=True)
        self._thread.start()

    def count(self, family: str, number: float = 1, **labels: str) -> None:
        with self._lock:
            self._pending[family, tuple(sorted(labels.items()))] += number

    def show(self, gauge: str, value: float, **labels: str) -> None:
        """From now on the gauge says this."""
        with self._lock:
            self._shown[gauge, tuple(sorted(labels.items()))] = value

    def refused(self, rule: str) -> None:
        """Count a request that broke a rule."""
        self.count("adclick_refused_total", rule=rule)
        self.count("adclick_requests_total", outcome="refused")

    def answered(self, rows: AnsweredRows) -> None:
        with self._lock:
            self._rows.append(rows)

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
            batches, self._rows = self._rows, []
            shown, self._shown = self._shown, {}
        if batches:
            self._add_rows(pending, batches)
        for series, number in pending.items():
            self._metric(series).increment(float(number))
        for series, value in shown.items():
            self._metric(series).set(value)

    def _metric(self, series: Series) -> Any:
        family, labels = series
        if series not in self._metrics:
            self._metrics[series] = self._families[family].Metric(labels={**self._common, **dict(labels)})
        return self._metrics[series]

    def _add_rows(self, pending: Counter[Series], batches: list[AnsweredRows]) -> None:
        p_click_N = np.sort(np.concatenate([rows.p_click_N for rows in batches]))
        pending["adclick_rows_total", ()] += len(p_click_N)
        pending["adclick_predicted_probability_count", ()] += len(p_click_N)
        pending["adclick_predicted_probability_sum", ()] += float(p_click_N.sum(dtype=np.float64))
        upto = np.searchsorted(p_click_N, BUCKETS, side="right").tolist()
        for edge, number in zip((*(f"{edge:g}" for edge in BUCKETS), "+Inf"), (*upto, len(p_click_N)), strict=True):
            pending["adclick_predicted_probability_bucket", (("le", edge),)] += number
        special_NF = np.concatenate([rows.special_NF for rows in batches])
        for family, special in SPECIAL.items():
            numbers_F = (special_NF == special).sum(axis=0).tolist()
            for name, number in zip(self._fields, numbers_F, strict=True):
                if number:
                    pending[family, (("column", name),)] += number
        for kind, number in _by_creative(batches).items():
            pending["adclick_creatives_total", (("kind", kind),)] += number


def _by_creative(batches: list[AnsweredRows]) -> Counter[str]:
    """Rows whose creative is known, came with an image, or is unknown; nothing where the model looks at no images."""
    if batches[0].is_stranger_N is None:
        return Counter()
    is_stranger_N = np.concatenate([rows.is_stranger_N for rows in batches])
    strangers = int(is_stranger_N.sum())
    shown = sum(int((rows.is_stranger_N & rows.has_image_N).sum()) for rows in batches if rows.has_image_N is not None)
    return +Counter(known=len(is_stranger_N) - strangers, image=shown, unknown=strangers - shown)
