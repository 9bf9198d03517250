"""When, from which code and on which machine a card was written. It stands beside the card, which shows it: the card is an
output of DVC, whose bytes are a function of its inputs.

Writes reports/run.json, for programs, and reports/run.html, which the card embeds.
"""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from html import escape
from importlib.metadata import version
from pathlib import Path
from typing import Any

from contracts.git_commit import git_revision
from stages.files import atomic_path, read_json, sha256_file, write_json

RECORD, SHOWN = "run.json", "run.html"
PACKAGES = ("torch", "pytorch-lightning", "onnxruntime", "lightgbm", "polars", "pandera", "dvc")
STYLE = "body{margin:0;font:13.5px/1.6 system-ui,'DejaVu Sans',sans-serif;color:#1f2933}b{color:#627282;font-weight:600}"


def write_record(card: Path) -> None:
    """Write both files beside `card`, about it and this moment."""
    record = {"card": sha256_file(card), "written": datetime.now(UTC).isoformat(timespec="seconds")}
    record |= {"code": git_revision(), "machine": machine(), "versions": versions()}
    write_json(card.with_name(RECORD), record)
    with atomic_path(card.with_name(SHOWN)) as partial:
        partial.write_text(page(record), encoding="utf-8")


def drop_record_of_another_card(card: Path) -> bool:
    """Remove both files if they are about another card, such as one that DVC's cache has replaced; returns whether they were."""
    path = card.with_name(RECORD)
    if not path.is_file() or not card.is_file() or read_json(path)["card"] == sha256_file(card):
        return False
    card.with_name(SHOWN).unlink(missing_ok=True)
    path.unlink()
    return True


def page(record: dict[str, Any]) -> str:
    """The record as a small page of its own."""
    rows = {
        "Written": record["written"].replace("T", " ").replace("+00:00", " UTC"),
        "Code": _code(record["code"]),
        "Machine": record["machine"],
        "Versions": ", ".join(f"{name} {number}" for name, number in record["versions"].items()),
    }
    lines = "".join(f"<div><b>{name}</b> {escape(text)}</div>" for name, text in rows.items())
    return f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Run</title><style>{STYLE}</style>{lines}</html>\n'


def _code(revision: dict[str, Any]) -> str:
    if revision["commit"] is None:
        return "no Git revision"
    return f"{revision['commit'][:12]}{', with uncommitted changes' if revision['uncommitted_changes'] else ''}"


def machine() -> str:
    """Processor, its number of usable cores, and the system; not the machine's name."""
    return f"{processor()}, {len(os.sched_getaffinity(0))} cores, {platform.system()} {platform.machine()}"


def processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's model as Linux calls it."""
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown processor"


def versions() -> dict[str, str]:
    return {"Python": platform.python_version()} | {name: version(name) for name in PACKAGES}
