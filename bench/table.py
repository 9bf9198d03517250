"""Keeps the figures of all parts in docs/benchmarks.json and writes docs/benchmarks.md from them."""

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from stages.files import atomic_path, read_json, write_json

JSON_PATH = Path("docs/benchmarks.json")
TABLE_PATH = Path("docs/benchmarks.md")
ORDER = [  # of the parts in the table
    "noop",
    "validate_encode",
    "scoring",
    "memory",
    "many_images",
    "champion",
    "train_resident",
    "train_together",
    "train_portable",
    "train_gpu",
    "bench-warm-start",
    "bench-sampled",
    "bench-histories",
    "bench-overflow",
    "gpu_check",
    "peers",
    "serve_start",
    "serving",
    "bench-serving",
    "bench-lists",
    "bench-gate",
    "bench-journal",
    "bench-journal-peers",
    "bench-replay",
    "bench-routing",
    "bench-monitor",
    "bench-retraining",
    "bench-rollout",
    "capacity",
    "soak",
    "spike",
    "compare",
    "quality",
    "quality_tables",
    "quality_large",
    "simulate",
]
PACKAGES = (
    "torch",
    "pytorch-lightning",
    "polars",
    "pyarrow",
    "pandera",
    "pandas",
    "scikit-learn",
    "numpy",
    "onnxruntime",
    "lightgbm",
    "dvc",
)
MARKS = {True: "yes", False: "**no**", None: ""}
START, END = "<!-- figures: written by `make bench` -->", "<!-- end of figures -->"
INTRODUCTION = """# Benchmarks

Each row is renewed by the command beside it; the others stay as they were measured. Figures that are compared were
taken in turn in one run (A B A B); shown are medians, and the range in brackets. All stages run as for a user, as
processes of their own in a copy of the project.
"""


def machine(packages: Sequence[str] = PACKAGES) -> dict[str, str]:
    """What the figures depend on beside the code: processor, memory, system, versions of those `packages` that are here."""
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": f"{_processor()}, {len(os.sched_getaffinity(0))} cores",
        "memory": f"{memory_gib:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "versions": ", ".join(f"{name} {version(name)}" for name in packages if _is_installed(name)),
    }


def _is_installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def merge(path: Path, part: str, entry: dict[str, Any]) -> None:
    """Put `entry` in the place of what `path` says about `part`, and leave the other parts alone.

    A failed measurement keeps the rows of the last good one, beside the error.
    """
    parts = read_json(path)["parts"] if path.is_file() else {}
    if entry.get("error") and not entry["rows"] and part in parts:
        entry = {**parts[part], "error": entry["error"]}
    parts[part] = entry
    write_json(path, {"parts": parts})


def entry(rows: list[dict[str, Any]], command: str, seconds: float, error: str | None = None) -> dict[str, Any]:
    """What is kept about one part."""
    today = datetime.now(UTC).date().isoformat()
    return {
        "rows": rows,
        "command": command,
        "seconds": round(seconds),
        "error": error,
        "machine": machine(),
        "date": today,
    }


def render(parts: dict[str, Any], order: list[str]) -> str:
    """The table and the machines it was measured on, as Markdown. Parts not in `order` come last, by name."""
    names = [name for name in order if name in parts] + sorted(set(parts) - set(order))
    machines: list[dict[str, str]] = []
    lines = ["| what | figure | bar | met | renewed by | on |", "|---|---|---|---|---|---|"]
    for name in names:
        part = parts[name]
        if part["machine"] not in machines:
            machines.append(part["machine"])
        where = f"{machines.index(part['machine']) + 1}, {part['date']}"
        for row in part["rows"]:
            cells = (row["what"], row["figure"], row["bar"], MARKS[row["met"]], f"`{part['command']}`", where)
            lines.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
        if part["error"]:
            lines.append(f"| {name} | failed: {part['error'].replace('|', '/')} | | **no** | `{part['command']}` | {where} |")
    lines += ["", "Measured on:", ""]
    for number, facts in enumerate(machines, start=1):
        lines.append(f"{number}. {facts['processor']}, {facts['memory']} memory; {facts['system']}; {facts['versions']}")
    return "\n".join(lines)


def write_table(json_path: Path, table_path: Path, order: list[str]) -> None:
    """Write the figures between their marks in `table_path`; what people wrote around them stays."""
    found = table_path.read_text() if table_path.is_file() else f"{INTRODUCTION}\n{START}\n{END}\n"
    before, _, rest = found.partition(START)
    _, _, after = rest.partition(END)
    text = f"{before}{START}\n\n{render(read_json(json_path)['parts'], order)}\n\n{END}{after}"
    with atomic_path(table_path) as partial:
        partial.write_text(text)
