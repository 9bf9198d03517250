"""What quality keeps between two looks, in one file: the last day looked at, points over time, and the area as it was found.

It is replaced in one step when all looks are done; killed before that, the next one makes the same looks again.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from contracts.files import write_whole
from lifecycle.monitor.findings import Area, MonitorReport, Point, report_from

FORMAT = 1
FILE = "quality/looks.json"
MAX_POINTS = 400  # of a figure over time


@dataclass(kw_only=True)
class KeptQuality:
    last: date | None = None  # that was looked at
    points: dict[str, dict[str, list[Point]]] = field(default_factory=dict)  # by release, then kind; the oldest first
    area: Area | None = None  # of the last look

    def add(self, release: int, points: dict[str, Point]) -> None:
        for kind, point in points.items():
            found = self.points.setdefault(str(release), {}).setdefault(kind, [])
            found.append(point)
            del found[:-MAX_POINTS]


def read_kept(folder: Path) -> KeptQuality:
    """Empty if nothing was kept. Raises ValueError if the file is none of ours."""
    path = folder / FILE
    if not path.is_file():
        return KeptQuality()
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values["format"] != FORMAT:
            raise ValueError(f"it has format {values['format']}, this version reads {FORMAT}")
        return _kept_of(values)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} cannot be read ({error}); remove it, and the looks begin again") from None


def _kept_of(values: dict[str, Any]) -> KeptQuality:
    points = {
        release: {kind: [Point(**point) for point in found] for kind, found in kinds.items()}
        for release, kinds in values["points"].items()
    }
    report = report_from({"at_ns": 0, "dataset": "", "serving": [], "areas": [values["area"]] if values["area"] else []})
    return KeptQuality(
        last=None if values["last"] is None else date.fromisoformat(values["last"]),
        points=points,
        area=report.areas[0] if report.areas else None,
    )


def write_kept(folder: Path, kept: KeptQuality) -> None:
    areas: Sequence[Area] = [kept.area] if kept.area else []
    report = MonitorReport(at_ns=0, dataset="", serving=[], areas=areas).as_dict()
    values = {
        "format": FORMAT,
        "last": None if kept.last is None else kept.last.isoformat(),
        "points": {
            release: {kind: [asdict(point) for point in found] for kind, found in kinds.items()}
            for release, kinds in kept.points.items()
        },
        "area": report["areas"][0] if areas else None,
    }
    (folder / FILE).parent.mkdir(parents=True, exist_ok=True)
    write_whole(folder / FILE, json.dumps(finite(values), allow_nan=False).encode(), synced=True)


def finite(value: Any) -> Any:
    """The same values, where what is not finite is null: JSON has no other numbers."""
    if isinstance(value, dict):
        return {key: finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
