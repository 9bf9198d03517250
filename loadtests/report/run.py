"""Reads the folder of a load run for its report; also that of a run which was killed before it wrote its summary."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from contracts.git_commit import git_revision
from loadtests.observation import facts
from loadtests.verdicts.samples import SAMPLE, Window, gather, read_samples

SUMMARY, PLAN = "summary.json", "plan.json"
NOT_KNOWN = "a run that was cut short"


@dataclass(frozen=True, kw_only=True)
class LoadRun:
    """A run as the report shows it. Mappings are empty where nothing was written down."""

    samples: np.ndarray  # SAMPLE, of requests that fell due in the window, in order of intended_s
    window: Window
    completed: bool  # False: it was cut short
    shape: str
    started_at: str  # ISO time; empty if not known
    settings: dict[str, Any]
    checks: list[dict[str, Any]]  # thresholds: name, measured, low, high, limit, at_least, met (None: not told), reason
    figures: dict[str, dict[str, float | None]]  # value, low, high by name; what runs are compared by
    reasons: dict[str, int]  # of what went wrong
    model_versions: dict[str, int]  # answers by the version that gave them
    versions: dict[str, str]
    machine: dict[str, Any]
    revision: dict[str, Any]
    arms: dict[str, Any] | None = None  # who answered, where the server had a challenger; see verdicts/arms.py


def read_run(folder: Path) -> LoadRun:
    """Raises ValueError if the folder holds no run."""
    path = folder / SUMMARY
    if path.is_file():
        return run_of_summary(json.loads(path.read_text(encoding="utf-8")), read_samples(folder))
    if not any(folder.glob("*.part")) and not any(folder.glob("samples-*.npy")):
        raise ValueError(f"{folder} holds no load run: neither {SUMMARY} nor samples; `make load` makes one")
    recorded = gather(folder)
    samples = np.concatenate([np.empty(0, dtype=SAMPLE), *(np.load(path) for path in sorted(folder.glob("samples-*.npy")))])
    samples = samples[np.argsort(samples["intended_s"], kind="stable")]
    planned = json.loads((folder / PLAN).read_text(encoding="utf-8"))["config"] if (folder / PLAN).is_file() else {}
    summary = {"completed": False, "shape": planned.get("shape", NOT_KNOWN), "settings": planned}
    summary |= {"reasons": recorded.reasons, "model_versions": recorded.versions}
    return run_of_summary({"window": whole_window(samples), **summary}, samples)


def whole_window(samples: np.ndarray) -> dict[str, float]:
    """From the first request that was due until after the last."""
    if not len(samples):
        return {"start_s": 0.0, "end_s": 0.0}
    return {"start_s": float(samples["intended_s"][0]), "end_s": float(np.nextafter(samples["intended_s"][-1], np.inf))}


def run_of_summary(summary: dict[str, Any], samples: np.ndarray) -> LoadRun:
    return LoadRun(
        samples=samples,
        window=Window(**summary["window"]),
        completed=summary.get("completed", True),
        shape=summary.get("shape", NOT_KNOWN),
        started_at=summary.get("started_at", ""),
        settings=summary.get("settings", {}),
        checks=summary.get("thresholds", []),
        figures=summary.get("figures", {}),
        reasons=summary.get("reasons", {}),
        model_versions={str(name): number for name, number in summary.get("model_versions", {}).items()},
        versions=summary.get("versions", {}),
        machine=summary.get("machine") or facts.machine(),
        revision=summary.get("revision") or git_revision(),
        arms=summary.get("arms"),
    )
