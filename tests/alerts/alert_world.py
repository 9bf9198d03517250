"""Reports with findings that a test chooses, and the monitor's settings."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter

from contracts.lifecycle.monitor import MonitorConfig
from lifecycle.monitor.findings import Area, Finding, Looked, MonitorReport, Serving
from tests.project.imports import ROOT

START_NS = 1_800_000_000_000_000_000  # 2027-01-15T08:00:00Z
MINUTE_NS = 60 * 10**9


def config(**alerts: Any) -> MonitorConfig:
    """The real settings, with changes of `alerts`."""
    values = shipped()
    return TypeAdapter(MonitorConfig).validate_python(values | {"alerts": values["alerts"] | alerts})


@cache
def shipped() -> dict[str, Any]:
    """To be read only."""
    return yaml.safe_load((ROOT / "conf/monitor/default.yaml").read_text())


def found(
    subject: str = "user_age", kind: str = "missing", verdict: str = "warning", rows: int = 20_000, **changes: Any
) -> Finding:
    known = Finding(
        area="inputs", subject=subject, kind=kind, verdict=verdict, effect=0.05, unit="share of rows", chance=0.002, level=1e-4,
        p_value=1e-9, window=Looked(start_ns=START_NS - 60 * MINUTE_NS, end_ns=START_NS, rows=rows, entities=900.0),
        sentence=f"{subject}: 5 % of the rows are {kind}", next_step="look at what the newest client sends", release=3,
        evidence={"counts": [1000, 19_000]},
    )  # fmt: skip
    return replace(known, **changes)


def report(*findings: Finding, minute: float = 0, areas: tuple[str, ...] = ("inputs", "machine")) -> MonitorReport:
    """Of a look so many minutes after the start; `areas` are judged, and those of the findings."""
    names = dict.fromkeys([*areas, *(one.area for one in findings)])
    at_ns = START_NS + int(minute * MINUTE_NS)
    return MonitorReport(
        at_ns=at_ns,
        dataset="simulated",
        serving=[Serving(release=3, arm="champion", rows=20_000, first_ns=at_ns - 60 * MINUTE_NS, last_ns=at_ns - MINUTE_NS)],
        areas=[Area(name=name, findings=[one for one in findings if one.area == name]) for name in names],
    )


def lines(folder: Path) -> list[dict[str, Any]]:
    """Of `alerts.jsonl`."""
    return [json.loads(line) for line in (folder / "alerts.jsonl").read_text().splitlines()]


def happened(folder: Path) -> list[tuple[str, str]]:
    return [(line["event"], line["key"]) for line in lines(folder)]
