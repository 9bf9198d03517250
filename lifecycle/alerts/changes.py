"""What a report changes: which alerts begin, grow worse, are told again, end. A function of values, without files."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from contracts.lifecycle.monitor import AlertsConfig
from lifecycle.alerts.alert import Alert, alert_of
from lifecycle.alerts.rules import SEVERITIES, wanted_of
from lifecycle.monitor.findings import MonitorReport

NS = 1_000_000_000


@dataclass(frozen=True, kw_only=True)
class AlertChanges:
    """What is to be told, and since when open alerts have not been seen."""

    alerts: list[Alert]
    absent: dict[str, int]  # key of an open alert to the look that missed it first, nanoseconds since 1970


def changes_of(report: MonitorReport, config: AlertsConfig, held: Mapping[str, Alert], absent: Mapping[str, int]) -> AlertChanges:
    """`held`: open alerts by key, as they were told last. An alert of an area that was not judged stays as it is."""
    wanted = wanted_of(report, config.rules)
    alerts = []
    for key, (finding, rule) in wanted.told.items():
        before = held.get(key)
        now = alert_of(finding, rule, report, "began", report.at_ns if before is None else before.since_ns)
        if before is None:
            alerts.append(now)
        elif SEVERITIES.index(now.severity) > SEVERITIES.index(before.severity):
            alerts.append(replace(now, event="worse"))
        elif report.at_ns - before.at_ns >= config.repeat_h * 3600 * NS:
            alerts.append(replace(now, event="repeated"))
    still_absent: dict[str, int] = {}
    for key, before in held.items():
        if key in wanted.still_seen:
            continue
        if before.area not in wanted.judged:
            still_absent |= {key: absent[key]} if key in absent else {}
            continue
        first = min(absent.get(key, report.at_ns), report.at_ns)  # the clock may have jumped back
        if report.at_ns - first >= config.resolve_after_s * NS:
            alerts.append(replace(before, event="resolved", at_ns=report.at_ns, until_ns=first))
        else:
            still_absent[key] = first
    return AlertChanges(alerts=alerts, absent=still_absent)
