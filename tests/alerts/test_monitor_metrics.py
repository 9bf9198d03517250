"""What the monitor says to Prometheus: the last look's findings, the feed's state, and nothing of what is not known."""

import math
import time

import pytest
import urllib3

from lifecycle.alerts.metrics import MonitorMetrics
from lifecycle.alerts.notify import notify
from lifecycle.alerts.own import held_beside
from lifecycle.feedback.labels import FeedState
from lifecycle.journal.metrics import told_at
from lifecycle.retrain.budget import tell_budget
from lifecycle.retrain.calendar import time_ns
from serving.server.ports import free_ports
from tests.alerts.alert_world import START_NS, config, found, report

FEED = FeedState(at_ns=START_NS, watermark_ns=START_NS - 90 * 10**9, waiting=4, matched=7)
FINDING = "adclick_monitor_finding"
AGE = {"area": "inputs", "subject": "user_age", "kind": "missing", "severity": "warning"}


def value(metrics: MonitorMetrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_findings_are_those_of_the_last_look():
    metrics = MonitorMetrics()
    metrics.looked(report(found(), found(subject="hour", kind="shares", verdict="ok", effect=0.01)), 0.5)
    assert value(metrics, FINDING, **AGE) == 1
    effect = {"area": "inputs", "unit": "share of rows"}
    assert value(metrics, "adclick_monitor_effect", subject="user_age", kind="missing", **effect) == 0.05
    assert value(metrics, "adclick_monitor_effect", subject="hour", kind="shares", **effect) == 0.01
    assert value(metrics, FINDING, **AGE | {"subject": "hour", "kind": "shares", "severity": "ok"}) is None
    assert value(metrics, "adclick_monitor_findings", area="inputs", verdict="warning") == 1
    assert value(metrics, "adclick_monitor_findings", area="machine", verdict="page") == 0
    metrics.looked(report(), 0.25)
    assert value(metrics, FINDING, **AGE) is None
    assert value(metrics, "adclick_monitor_look_seconds") == 0.25
    assert value(metrics, "adclick_monitor_looks_total", outcome="done") == 2


def test_what_is_not_known_is_no_figure():
    metrics = MonitorMetrics()
    for name in ("feedback_watermark_age_seconds", "feedback_oldest_waiting_seconds", "monitor_answer_age_seconds"):
        assert math.isnan(value(metrics, f"adclick_{name}"))
    assert value(metrics, "adclick_monitor_looks_total", outcome="failed") == 0
    assert value(metrics, "adclick_monitor_last_look_timestamp_seconds") == pytest.approx(time.time(), abs=60)
    metrics.failed()
    assert value(metrics, "adclick_monitor_looks_total", outcome="failed") == 1


def test_the_feed_the_releases_and_open_alerts_are_told():
    metrics = MonitorMetrics()
    metrics.looked(report(), 0.5, FEED, {"page": 2, "warning": 0})
    assert value(metrics, "adclick_feedback_watermark_age_seconds") == 90
    assert value(metrics, "adclick_feedback_waiting") == 4 and value(metrics, "adclick_feedback_events", outcome="matched") == 7
    assert value(metrics, "adclick_monitor_served_rows", release="3", arm="champion") == 20_000
    assert value(metrics, "adclick_monitor_answer_age_seconds") == 60
    assert value(metrics, "adclick_monitor_alerts_open", severity="page") == 2


def test_what_programs_beside_the_monitor_tell_is_there_until_they_end_it(tmp_path):
    metrics, beside = MonitorMetrics(), "adclick_monitor_beside"
    budget = {"area": "retraining", "subject": "2026-09", "kind": "budget_50", "severity": "warning"}
    notify(report(found()), config(), tmp_path)
    tell_budget(tmp_path, 6 * 3600, 10.0, time_ns("2026-09-30"))
    metrics.looked(report(found()), 0.5, beside=held_beside(tmp_path))
    assert value(metrics, beside, **budget) == 1 and value(metrics, beside, **AGE) is None
    tell_budget(tmp_path, 0, 10.0, time_ns("2026-10-01"))
    metrics.looked(report(found()), 0.5, beside=held_beside(tmp_path))
    assert value(metrics, beside, **budget) is None


def test_a_feed_that_never_came_has_no_figures():
    metrics = MonitorMetrics()
    metrics.looked(report(), 0.5, FeedState())
    assert value(metrics, "adclick_feedback_events", outcome="matched") is None
    assert math.isnan(value(metrics, "adclick_feedback_oldest_waiting_seconds"))


def test_prometheus_reads_it_on_loopback_and_a_taken_port_is_said():
    metrics = MonitorMetrics()
    metrics.looked(report(found(subject='a "quoted"\nname')), 0.5)
    (port,) = free_ports(1)
    with told_at(metrics, port):
        with urllib3.PoolManager() as pool:
            text = pool.request("GET", f"http://127.0.0.1:{port}/metrics", headers={"Connection": "close"}).data.decode()
        assert 'subject="a \\"quoted\\"\\nname"' in text
        with pytest.raises(ValueError, match=f"--metrics-port {port} cannot be used"), told_at(metrics, port):
            pass
