"""What `python -m lifecycle.monitor --follow --metrics-port PORT` says to Prometheus: findings, looks, labels, who answers.

`lifecycle.journal.metrics.told_at` answers with it on loopback.
"""

import math
import time
from collections.abc import Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge

from lifecycle.alerts.alert import Alert
from lifecycle.feedback.labels import FeedState
from lifecycle.feedback.rules import CLASSES
from lifecycle.monitor.findings import VERDICTS, MonitorReport

NS = 1e9


class MonitorMetrics:
    """Findings are those of the last look. A figure that is not known yet is NaN, which no alert is about."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()

        def gauge(name: str, about: str, *labels: str) -> Gauge:
            return Gauge(f"adclick_{name}", about, labels, registry=self.registry)

        named = ("area", "subject", "kind")
        self._finding = gauge("monitor_finding", "1 for what the last look found beyond chance, by severity", *named, "severity")
        self._effect = gauge("monitor_effect", "how large each figure of the last look is, in its unit", *named, "unit")
        self._findings = gauge("monitor_findings", "figures of the last look, by verdict", "area", "verdict")
        self._last = gauge("monitor_last_look_timestamp_seconds", "when the last look ended, of the machine's clock")
        self._took = gauge("monitor_look_seconds", "how long the last look took, of the machine")
        self._looks = Counter("adclick_monitor_looks", "looks by outcome: done, failed", ["outcome"], registry=self.registry)
        self._alerts = gauge("monitor_alerts_open", "alerts that hold, by severity", "severity")
        self._beside = gauge("monitor_beside", "1 for each alert of a program beside the monitor that holds", *named, "severity")
        self._rows = gauge("monitor_served_rows", "rows that a release answered lately", "release", "arm")
        self._answered = gauge("monitor_answer_age_seconds", "time since the last answer that is in Parquet, of the clock")
        self._watermark = gauge(
            "feedback_watermark_age_seconds", "time up to which labels are complete, before now, of the clock"
        )
        self._waiting = gauge("feedback_waiting", "events whose answer has not turned up")
        self._oldest = gauge("feedback_oldest_waiting_seconds", "age of the oldest of them, of the clock")
        self._events = gauge("feedback_events", "events of the feed that were received, by what became of them", "outcome")
        for outcome in ("done", "failed"):
            self._looks.labels(outcome)
        for unknown in (self._answered, self._watermark, self._oldest):
            unknown.set(math.nan)
        self._last.set(time.time())  # from here on it is waited for

    def looked(
        self,
        report: MonitorReport,
        took_s: float,
        feed: FeedState | None = None,
        alerts: Mapping[str, int] | None = None,
        beside: Sequence[Alert] = (),
    ) -> None:
        """After a look. `feed`: what `read_state` gives; `alerts`: what `open_by_severity` gives; `beside`: `held_beside`."""
        for family in (self._finding, self._effect, self._findings, self._rows, self._alerts, self._beside, self._events):
            family.clear()
        for alert in beside:
            self._beside.labels(alert.area, alert.subject, alert.kind, alert.severity).set(1)
        for area in report.areas:
            for verdict in VERDICTS:
                self._findings.labels(area.name, verdict).set(sum(one.verdict == verdict for one in area.findings))
        for one in reversed(report.findings):  # the worst of a key last
            self._effect.labels(one.area, one.subject, one.kind, one.unit).set(one.effect)
            if one.verdict != "ok":
                self._finding.labels(one.area, one.subject, one.kind, one.verdict).set(1)
        for serving in report.serving:
            self._rows.labels(str(serving.release), serving.arm or "none").set(serving.rows)
        if report.serving:
            self._answered.set((report.at_ns - max(one.last_ns for one in report.serving)) / NS)
        for severity, number in (alerts or {}).items():
            self._alerts.labels(severity).set(number)
        if feed is not None and feed.at_ns is not None:
            self._show_feed(feed, report.at_ns)
        self._looks.labels("done").inc()
        self._took.set(took_s)
        self._last.set(time.time())

    def failed(self) -> None:
        """A look ended with an error."""
        self._looks.labels("failed").inc()

    def _show_feed(self, feed: FeedState, now_ns: int) -> None:
        if feed.watermark_ns is not None:
            self._watermark.set((now_ns - feed.watermark_ns) / NS)
        self._waiting.set(feed.waiting)
        self._oldest.set(0 if feed.oldest_waiting_ns is None else (now_ns - feed.oldest_waiting_ns) / NS)
        for outcome in CLASSES:
            self._events.labels(outcome).set(getattr(feed, outcome))
