"""Where a release comes from: its files, data, parameters and code, and what the log of releases says of it."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from contracts.serving.release_log import NAME, read
from contracts.serving.releases import EXPORT_MANIFEST, MANIFEST, PUBLIC
from lifecycle.replay.release import Released
from serving.triton.package import read_json


@dataclass(frozen=True, kw_only=True)
class Lineage:
    """What is known of a release; empty or None where nothing says it."""

    release: int
    model: str | None  # sha-256 of its export's manifest.json, by which the log of releases and the reports know it
    files: dict[str, str]  # sha-256 of each file of the release, of all its models
    data: dict[str, str]  # of each file that the model was trained and judged on
    params: dict[str, Any]
    code: str | None  # digest of the code that exported it
    brought_by: dict[str, Any] | None  # the line that says that the release was made
    served_by: dict[str, Any] | None  # the last line before the answer that made it the one that is served


def lineage_of(released: Released, answered_ns: int) -> Lineage:
    manifest = released.manifest()
    files: dict[str, str] = {}
    for path in sorted(released.store.glob(f"*/{released.number}/{MANIFEST}")):
        files |= {f"{path.parts[-3]}/{name}": digest for name, digest in read_json(path)["files"].items()}
    own = released.folder / EXPORT_MANIFEST
    model = hashlib.sha256(own.read_bytes()).hexdigest() if own.is_file() else None
    entries, _ = read(released.store)
    mine = [entry for entry in entries if entry.get("version") == released.number and entry.get("model") == model]
    brought = next((entry for entry in mine if entry["event"] in ("release", "stored")), None)
    before = [entry for entry in mine if _ns(entry) <= answered_ns and entry["event"] in ("release", "rollback")]
    return Lineage(
        release=released.number,
        model=model,
        files=files,
        data=dict(manifest.get("data", {})),
        params=dict(manifest.get("params", {})),
        code=manifest.get("code"),
        brought_by=brought,
        served_by=before[-1] if before else None,
    )


def graph_files(lineage: Lineage) -> dict[str, str]:
    """Those of model `ctr`, which answers."""
    return {name.removeprefix(f"{PUBLIC}/"): digest for name, digest in lineage.files.items() if name.startswith(f"{PUBLIC}/")}


def in_words(entry: dict[str, Any] | None) -> str:
    """A line of the log of releases in words."""
    if entry is None:
        return f"{NAME} has no line of it"
    code = entry.get("code") or {}
    commit = f", code {str(code.get('commit'))[:12]}{' with uncommitted changes' if code.get('uncommitted_changes') else ''}"
    reasons = f": {'; '.join(entry['reasons'])}" if entry.get("reasons") else ""
    return f"{entry['event']} {entry['time']} by {entry.get('by')} on {entry.get('host')}{commit}{reasons}"


def _ns(entry: dict[str, Any]) -> int:
    return int(datetime.fromisoformat(entry["time"]).timestamp() * 1e9)
