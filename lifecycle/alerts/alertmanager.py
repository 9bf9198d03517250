"""Open alerts for Prometheus' Alertmanager, which takes them over HTTP and forgets what is not sent again.

Alertmanager has the machine's time. `startsAt` and `endsAt` are both sent: with `endsAt` alone an alert would begin when it ends.
"""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import urllib3
from urllib3.exceptions import HTTPError

from contracts.clock import Clock
from lifecycle.alerts.alert import Alert

PATH = "/api/v2/alerts"
LEAST_S = 300.0  # of the machine: an alert that is not sent again ends no sooner
LOOKS = 3  # that may fail before it ends


def post_alerts(url: str, alerts: Iterable[Alert], clock: Clock, every_s: float, timeout_s: float) -> str | None:
    """None if Alertmanager has taken them, else why not. `every_s`: between two looks, of the clock."""
    body = json.dumps([told_alertmanager(alert, clock, every_s) for alert in alerts]).encode()
    try:
        with urllib3.PoolManager(timeout=timeout_s, retries=False) as pool:
            answer = pool.request("POST", url.rstrip("/") + PATH, body=body, headers={"Content-Type": "application/json"})
    except (HTTPError, ValueError) as error:
        return f"Alertmanager at {url} cannot be reached: {' '.join(str(error).split())[:200]}"
    if answer.status == 200:
        return None
    return f"Alertmanager at {url} refused the alerts with {answer.status}: {answer.data.decode('utf-8', 'replace')[:200]}"


def told_alertmanager(alert: Alert, clock: Clock, every_s: float) -> dict[str, Any]:
    """An entry of its API (v2). Labels are what an alert is deduplicated by, so figures are annotations."""
    now_ns = on_machine(clock, clock.now_ns())
    lasting_ns = int(max(LEAST_S, LOOKS * every_s / clock.rate) * 1e9)
    starts_ns = min(on_machine(clock, alert.since_ns), now_ns)  # it refuses what begins after its end: a clock may jump back
    ends_ns = now_ns + lasting_ns if alert.until_ns is None else max(starts_ns, min(on_machine(clock, alert.at_ns), now_ns))
    return {
        "labels": {
            "alertname": alert.rule,
            "area": alert.area,
            "subject": alert.subject,
            "kind": alert.kind,
            "severity": alert.severity,
            "dataset": alert.dataset,
        },
        "annotations": {
            "summary": alert.sentence,
            "next_step": alert.next_step,
            "owner": alert.owner,
            "id": alert.id,
            "effect": f"{alert.effect:.4g} {alert.unit}",
        },
        "startsAt": _moment(starts_ns),
        "endsAt": _moment(ends_ns),
    }


def on_machine(clock: Clock, at_ns: int) -> int:
    """What the machine's clock says when `clock` says `at_ns`."""
    return clock.from_ns + (at_ns - clock.start_ns) // clock.rate


def _moment(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns / 1e9, UTC).isoformat(timespec="milliseconds")
