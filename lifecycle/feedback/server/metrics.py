"""What the endpoint says of the feed to Prometheus."""

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, generate_latest

from lifecycle.feedback.labels import FeedState
from lifecycle.feedback.rules import CLASSES

NS = 1e9


class FeedbackMetrics:
    """Everything is there from the start."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self._registry = CollectorRegistry()

        def gauge(name: str, about: str, *labels: str) -> Gauge:
            return Gauge(f"adclick_feedback_endpoint_{name}", about, labels, registry=self._registry)

        self._received = gauge("received", "events received, in files too")
        self._events = gauge("events", "of these, by what became of them", "outcome")
        self._late = gauge("late_corrections", "corrections that came after their label was final")
        self._watermark = gauge("watermark_seconds", "until when the feed is complete, since 1970; 0: nobody has said so yet")
        self._oldest = gauge(
            "oldest_waiting_seconds", "time of the oldest event whose answer has not turned up, since 1970; 0: none"
        )
        self._final = gauge("final_labels", "labels that became final")
        self._open = gauge("open_rows", "rows that were shown, and whose label is not final")
        self.faults = Counter(
            "adclick_feedback_endpoint_faults", "looks for answers that failed", registry=self._registry
        )  # fmt: skip

    def text(self, state: FeedState) -> bytes:
        self._received.set(state.received)
        for name in CLASSES:
            self._events.labels(outcome=name).set(getattr(state, name))
        self._late.set(state.late_corrections)
        self._watermark.set((state.watermark_ns or 0) / NS)
        self._oldest.set((state.oldest_waiting_ns or 0) / NS)
        self._final.set(state.final_rows)
        self._open.set(state.open_rows)
        return generate_latest(self._registry)
