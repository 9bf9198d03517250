"""Alerts of programs beside the monitor: a line of the monitor's log, which it passes on at its next look."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

from contracts.clock import clock
from lifecycle.alerts.alert import Alert, id_of
from lifecycle.alerts.log import AlertLog, alone
from lifecycle.monitor.findings import AreaName


@dataclass(frozen=True, kw_only=True)
class OwnAlert:
    """What is told. `area`, `subject` and `kind` name it: an area that the monitor does not judge."""

    area: str
    subject: str
    kind: str
    severity: str
    owner: str
    sentence: str
    next_step: str
    effect: float
    unit: str
    evidence: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return f"{self.area}/{self.subject}/{self.kind}"


def tell(folder: Path, alert: OwnAlert, is_on: bool) -> bool:
    """Write that it began, or that it ended, below the monitor's `folder`; whether that was news. It is on the disk then."""
    with alone(folder):
        log, now_ns = AlertLog(folder), clock().now_ns()
        known = log.last_of_each().get(alert.key)
        holds = known is not None and known.event != "resolved"
        if is_on == holds:
            return False
        if is_on:
            log.append([_begun(alert, now_ns)])
        elif known is not None:
            log.append([replace(known, event="resolved", at_ns=now_ns, until_ns=now_ns, sentence=alert.sentence)])
    return True


def held_beside(folder: Path) -> list[Alert]:
    """What programs beside the monitor have told and not ended, from the log below its `folder`."""
    return [alert for alert in AlertLog(folder).open().values() if alert.area not in get_args(AreaName)]


def _begun(alert: OwnAlert, now_ns: int) -> Alert:
    return Alert(
        id=id_of(alert.key, now_ns),
        event="began",
        key=alert.key,
        rule=alert.area,
        severity=alert.severity,
        owner=alert.owner,
        dataset="",
        at_ns=now_ns,
        since_ns=now_ns,
        until_ns=None,
        area=alert.area,
        subject=alert.subject,
        kind=alert.kind,
        effect=alert.effect,
        unit=alert.unit,
        rows=0,
        release=None,
        sentence=alert.sentence,
        next_step=alert.next_step,
        evidence=dict(alert.evidence),
    )
