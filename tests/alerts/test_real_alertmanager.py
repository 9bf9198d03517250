"""From a figure of the monitor through a real Prometheus and a real Alertmanager to a pager, and back when it is over."""

from typing import Any

import pytest

from lifecycle.alerts.metrics import MonitorMetrics
from lifecycle.alerts.notify import notify
from lifecycle.journal.metrics import told_at
from serving.server.ports import free_ports
from tests.alerts.alert_world import config, found, report
from tests.alerts.prometheus_world import Asked, a_pager, alertmanager, prometheus, short_folder
from tests.serving.served_world import wait_for

pytestmark = pytest.mark.services
LONG_S = 90


def test_a_finding_reaches_the_pager_and_its_end_does_too():
    metrics = MonitorMetrics()
    metrics.looked(report(found(verdict="page"), found(subject="hour", kind="offset")), 0.5)
    monitor_port, nobody = free_ports(2)
    with short_folder() as folder, a_pager() as pager, alertmanager(folder, pager.url) as manager, told_at(metrics, monitor_port):
        targets = {"monitor": monitor_port, "triton": nobody, "journal": nobody}
        with prometheus(folder, targets, manager, waits=False):
            paged = wait_for(lambda: pager.seen("AdclickModelPage", "firing"), LONG_S, "the page")
            warned = wait_for(lambda: pager.seen("AdclickModelWarning", "firing"), LONG_S, "the warning")
            down = wait_for(lambda: pager.seen("AdclickServerDown", "firing"), LONG_S, "nobody answers for Triton")
            gone = wait_for(lambda: pager.seen("AdclickTargetDown", "firing"), LONG_S, "nobody answers for the journal")
            metrics.looked(report(found(subject="hour", kind="offset")), 0.5)
            wait_for(lambda: pager.seen("AdclickModelPage", "resolved"), LONG_S, "its end")
    who, labels, notes = paged[0]
    assert who == "pager" and (labels["area"], labels["subject"], labels["kind"]) == ("inputs", "user_age", "missing")
    assert notes["summary"] == "inputs: user_age: missing" and notes["runbook"] == "docs/alerts.md#adclickmodelpage"
    assert {who for who, *_ in warned} == {"chat"} and warned[0][1]["subject"] == "hour"
    assert {who for who, *_ in down} == {"pager"} and {who for who, *_ in gone} == {"chat"}
    assert gone[0][1]["job"] == "journal" and not pager.seen("AdclickModelWarning", "resolved")


def test_without_prometheus_the_monitor_tells_alertmanager_itself(tmp_path, capsys):
    with short_folder() as folder, a_pager() as pager, alertmanager(folder, pager.url) as manager:
        settings = config(alertmanager=f"http://127.0.0.1:{manager}", resolve_after_s=0)
        notify(report(found(verdict="page")), settings, tmp_path)
        (who, labels, notes), *_ = wait_for(lambda: pager.seen("model-page", "firing"), LONG_S, "the page")
        notify(report(minute=5), settings, tmp_path)
        wait_for(lambda: pager.seen("model-page", "resolved"), LONG_S, "its end")
    assert (who, labels["subject"], labels["severity"]) == ("pager", "user_age", "page")
    assert notes["summary"] == "user_age: 5 % of the rows are missing" and notes["owner"] == "whoever owns the model"
    assert capsys.readouterr().err == ""


def test_a_finding_that_is_a_page_is_no_warning_besides_and_other_warnings_are_told(tmp_path):
    """Both rules of it hold until the warning has not come for a while: it grew worse, or two releases have it."""
    with short_folder() as folder, a_pager() as pager, alertmanager(folder, pager.url) as manager:
        settings = config(alertmanager=f"http://127.0.0.1:{manager}")
        notify(report(found(), found(subject="hour")), settings, tmp_path)
        notify(report(found(verdict="page"), found(subject="hour"), minute=5), settings, tmp_path)
        expected = {
            ("user_age", "page"): "active", ("user_age", "warning"): "suppressed", ("hour", "warning"): "active",
        }  # fmt: skip
        wait_for(lambda: states_of(manager) == expected, LONG_S, "the warning that the page inhibits to be suppressed")


def states_of(manager: int) -> dict[tuple[str, str], str]:
    """Of all alerts that it holds. The state is that of its last look at them, so it may lag behind."""
    held: list[dict[str, Any]] = Asked(f"http://127.0.0.1:{manager}").get("/api/v2/alerts")
    return {(one["labels"]["subject"], one["labels"]["severity"]): one["status"]["state"] for one in held}
