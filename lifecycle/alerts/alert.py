"""An alert as it is written down and told: a line of `monitor/alerts.jsonl`, the standard input of the user's command."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from contracts.lifecycle.monitor import AlertRule
from lifecycle.monitor.findings import Finding, MonitorReport

Happened = Literal["began", "worse", "repeated", "resolved"]
FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Alert:
    """What happened to an alert at a look of the monitor. Times are of the clock, nanoseconds since 1970."""

    id: str  # the same from the beginning to the end
    event: Happened
    key: str  # of the finding: area/subject/kind
    rule: str  # its name in monitor.alerts.rules
    severity: str
    owner: str
    dataset: str
    at_ns: int
    since_ns: int  # when it began
    until_ns: int | None  # when it ended; None: it holds
    area: str
    subject: str
    kind: str
    effect: float
    unit: str
    rows: int  # of the window
    release: int | None
    sentence: str
    next_step: str
    evidence: Mapping[str, Any]

    def line(self) -> str:
        """As JSON, on one line. A number that JSON does not have is a text."""
        return json.dumps({"format": FORMAT, **_plain(asdict(self))}, allow_nan=False, default=str)


def alert_of(finding: Finding, rule: AlertRule, report: MonitorReport, event: Happened, since_ns: int) -> Alert:
    """What the finding is told as."""
    return Alert(
        id=id_of(finding.key, since_ns),
        event=event,
        key=finding.key,
        rule=rule.name,
        severity=rule.severity,
        owner=rule.owner,
        dataset=report.dataset,
        at_ns=report.at_ns,
        since_ns=since_ns,
        until_ns=None,
        area=finding.area,
        subject=finding.subject,
        kind=finding.kind,
        effect=finding.effect,
        unit=finding.unit,
        rows=finding.window.rows,
        release=finding.release,
        sentence=finding.sentence,
        next_step=finding.next_step if rule.next_step is None else rule.next_step,
        evidence={
            **finding.evidence,
            "window": asdict(finding.window),
            "verdict": finding.verdict,
            "chance": finding.chance,
            "level": finding.level,
            "p_value": finding.p_value,
            "interval": finding.interval,
        },
    )


def id_of(key: str, since_ns: int) -> str:
    """16 hexadecimal digits: a key that begins again has another one."""
    return hashlib.sha256(f"{key}\n{since_ns}".encode()).hexdigest()[:16]


def alert_from(line: bytes) -> Alert | None:
    """The alert that `line` was made of; None for what is none, such as a line that a crash has cut off."""
    try:
        values = json.loads(line)
        known = {name: values[name] for name in NAMES} | {"effect": float(values["effect"])}  # one that JSON lacks was a text
        return Alert(**known) if values["format"] == FORMAT else None
    except (ValueError, KeyError, TypeError):
        return None


NAMES = tuple(field.name for field in fields(Alert))


def _plain(value: Any) -> Any:
    """With texts for numbers that are not finite: JSON has no others."""
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return str(value) if isinstance(value, float) and value - value != 0 else value
