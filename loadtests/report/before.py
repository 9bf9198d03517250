"""A load run beside the run of the same shape before it: what became better or worse, and what was not the same."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtests.report.findings import threshold_name
from loadtests.report.run import SUMMARY, LoadRun
from loadtests.report.wording import figure, flat

NOT_COMPARED = ("host", "thresholds")  # of the settings: neither changes what is measured, and the host is nobody's business
HIGHER_IS_BETTER = "_per_s"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The run before, and how this one differs."""

    folder: str  # name of the other run's
    rows: list[dict[str, str]]
    differences: list[str]  # settings, machine, versions: figures of unlike runs do not compare


def compare_with_before(run: LoadRun, run_dir: Path) -> Comparison | None:
    """With the newest finished run beside this one's folder that is older; None if there is none with figures."""
    if not run.figures:
        return None
    for folder in sorted((path for path in run_dir.parent.glob("*/") if path.name < run_dir.name), reverse=True):
        if not (folder / SUMMARY).is_file():
            continue
        before = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
        if before.get("completed") and before.get("figures") and before.get("shape") == run.shape:
            rows = [figure_row(name, before["figures"].get(name), now) for name, now in run.figures.items()]
            return Comparison(folder=folder.name, rows=[row for row in rows if row], differences=differences(before, run))
    return None


def figure_row(name: str, before: Mapping[str, float | None] | None, now: Mapping[str, float | None]) -> dict[str, str] | None:
    """A figure of both runs as shown; None where one of them has none."""
    if before is None or before["value"] is None or now["value"] is None:
        return None
    change = (now["value"] - before["value"]) / before["value"] if before["value"] else None
    return {
        "name": threshold_name(name),
        "before": figure(name, before["value"]),
        "now": figure(name, now["value"]),
        "change": "" if change is None else f"{change:+.1%}",
        "verdict": verdict(name, before, now),
    }


def verdict(name: str, before: Mapping[str, float | None], now: Mapping[str, float | None]) -> str:
    """Better or worse where the 95 % intervals lie apart; a figure without an interval is only shown."""
    ends = (before["low"], before["high"], now["low"], now["high"])
    if None in ends:
        return "same" if before["value"] == now["value"] else ""
    if before["low"] <= now["high"] and now["low"] <= before["high"]:
        return "within the intervals"
    return "better" if (now["value"] > before["value"]) == name.endswith(HIGHER_IS_BETTER) else "worse"


def differences(before: Mapping[str, Any], run: LoadRun) -> list[str]:
    """What else than the measured server was not the same, a phrase each."""
    found = []
    for section in ("settings", "machine", "versions", "revision"):
        was, now = dict(flat(compared(before.get(section) or {}))), dict(flat(compared(getattr(run, section))))
        for name in sorted(was.keys() | now.keys()):
            if was.get(name) != now.get(name):
                found.append(f"{name} was {was.get(name, 'not there')}, is {now.get(name, 'not there')}")
    old, new = (", ".join(sorted(map(str, versions))) for versions in (before.get("model_versions", {}), run.model_versions))
    return found + ([f"model version was {old or 'not known'}, is {new or 'not known'}"] if old != new else [])


def compared(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in NOT_COMPARED}
