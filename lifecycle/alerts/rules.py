"""Which findings of a report are told, by `monitor.alerts.rules`: the first rule that fits decides."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from contracts.lifecycle.monitor import AlertRule
from lifecycle.monitor.findings import VERDICTS, Finding, MonitorReport

SEVERITIES = ("info", "warning", "page")  # from the least on


@dataclass(frozen=True, kw_only=True)
class WantedAlerts:
    """What a report says is to be told, and what it has an opinion about."""

    told: dict[str, tuple[Finding, AlertRule]]  # by the finding's key
    still_seen: frozenset[str]  # keys that are bad enough, of whatever evidence: such an alert does not begin and does not end
    judged: frozenset[str]  # areas that were looked at: what is not there any more in others is not gone


def wanted_of(report: MonitorReport, rules: Sequence[AlertRule]) -> WantedAlerts:
    """The worst finding of each key that a rule wants told."""
    told: dict[str, tuple[Finding, AlertRule]] = {}
    seen = set()
    for finding in report.findings:  # the worst first
        rule = rule_of(finding, rules)
        if rule is None:
            continue
        seen.add(finding.key)
        if finding.window.rows >= rule.min_rows:
            told.setdefault(finding.key, (finding, rule))
    return WantedAlerts(told=told, still_seen=frozenset(seen), judged=frozenset(area.name for area in report.areas))


def rule_of(finding: Finding, rules: Sequence[AlertRule]) -> AlertRule | None:
    """The first that fits area, kind and verdict; None if nobody is told."""
    return next((rule for rule in rules if fits(finding, rule)), None)


def fits(finding: Finding, rule: AlertRule) -> bool:
    is_bad_enough = VERDICTS.index(finding.verdict) >= VERDICTS.index(rule.verdict)
    return is_bad_enough and _is_one_of(finding.area, rule.areas) and _is_one_of(finding.kind, rule.kinds)


def _is_one_of(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
