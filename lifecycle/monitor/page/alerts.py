"""The alerts of `alerts.jsonl`, which the monitor writes line by line: those that go on first, then the newest."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ENDED = 50  # that are shown


@dataclass(frozen=True, kw_only=True)
class ShownAlert:
    key: str
    severity: str
    since_ns: int
    until_ns: int | None  # None: it goes on
    sentence: str
    next_step: str
    owner: str
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ShownAlerts:
    alerts: tuple[ShownAlert, ...] = ()
    ended_before: int = 0  # older ones, which are not shown
    unread: int = 0  # lines that are no alert


def read_alerts(path: Path) -> ShownAlerts:
    """Each as its last line says; a file that is not there has none."""
    last: dict[tuple[str, int], ShownAlert] = {}
    unread = 0
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    for line in filter(str.strip, lines):
        one = _alert(line)
        if one is None:
            unread += 1
        else:
            last[one.key, one.since_ns] = one
    newest = sorted(last.values(), key=lambda one: (one.until_ns is not None, -one.since_ns, one.key))
    open_ones = [one for one in newest if one.until_ns is None]
    ended = newest[len(open_ones) :]
    return ShownAlerts(alerts=(*open_ones, *ended[:ENDED]), ended_before=len(ended[ENDED:]), unread=unread)


def _alert(line: str) -> ShownAlert | None:
    try:
        values = json.loads(line)
        until_ns, evidence = values.get("until_ns"), values.get("evidence") or {}
        return ShownAlert(
            **{name: str(values[name]) for name in ("key", "severity", "sentence", "next_step")},
            owner=str(values.get("owner") or ""),
            since_ns=int(values["since_ns"]),
            until_ns=None if until_ns is None else int(until_ns),
            evidence=evidence if isinstance(evidence, dict) else {"evidence": evidence},
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
