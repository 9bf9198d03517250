"""labels/: final labels as Parquet, a file for each day of the answers, and state.json, for whoever reads them.

Needs no DuckDB: the rollout reads them beside the server. `written.py` writes them.
"""

import json
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path

import polars as pl
import pyarrow as pa

from lifecycle.journal.columns import DAY, INSTANT

LABELS, STATE, PART = "labels", "state.json", "part-0.parquet"
LABEL_SCHEMA = pa.schema(
    {
        "prediction_id": pa.string(),
        "row": pa.uint32(),
        "key": pa.string(),
        "answered_at": INSTANT,
        "release": pa.int64(),
        "shown_at": INSTANT,
        "clicked": pa.int8(),
        "final_at": INSTANT,
        "source": pa.string(),
    }
)


@dataclass(frozen=True, kw_only=True)
class FeedState:
    """How the feed stands. received = matched + duplicate + corrected + contradicting + waiting + expired + rejected."""

    at_ns: int | None = None  # when this was written; None: never
    watermark_ns: int | None = None  # until when the feed is complete; None: nobody has said so yet
    last_event_ns: int | None = None
    first_received_ns: int | None = None
    received: int = 0
    matched: int = 0
    duplicate: int = 0
    corrected: int = 0
    contradicting: int = 0
    waiting: int = 0
    expired: int = 0
    rejected: int = 0
    late_corrections: int = 0  # of the corrected
    reopened: int = 0  # of the late ones
    heartbeats: int = 0
    oldest_waiting_ns: int | None = None
    unshown_clicks: int = 0  # rows with a click of which nobody said that they were shown
    open_rows: int = 0  # shown, and not final yet
    final_rows: int = 0  # labels that became final


def read_state(folder: Path) -> FeedState:
    """Of the feedback's folder (or its labels/); all 0 where nothing was taken in yet."""
    path = labels_folder(folder) / STATE
    if not path.is_file():
        return FeedState()
    found = json.loads(path.read_text(encoding="utf-8"))
    names = {field.name for field in fields(FeedState)}
    return FeedState(**{name: value for name, value in found.items() if name in names})


def read_labels(folder: Path, since_ns: int, until_ns: int) -> pl.LazyFrame:
    """Final labels of answers from `since_ns` until before `until_ns`, of the feedback's folder (or its labels/)."""
    days = labels_folder(folder).glob(f"{DAY}=*/*.parquet")
    paths = sorted(path for path in days if _overlaps(path, since_ns, until_ns))
    empty = pl.from_arrow(LABEL_SCHEMA.empty_table())
    assert isinstance(empty, pl.DataFrame)
    if not paths:
        return empty.lazy()
    rows = pl.scan_parquet(paths, hive_partitioning=False)
    at = pl.col("answered_at").dt.epoch("ns")
    return rows.filter((at >= since_ns) & (at < until_ns))


def labels_folder(folder: Path) -> Path:
    return folder if folder.name == LABELS else folder / LABELS


def label_files(folder: Path) -> list[Path]:
    return sorted(labels_folder(folder).glob(f"{DAY}=*/*.parquet"))


def _overlaps(path: Path, since_ns: int, until_ns: int) -> bool:
    start = datetime.fromisoformat(f"{path.parent.name.split('=')[1]}T00:00:00+00:00")
    start_ns = int(start.timestamp()) * 10**9
    return start_ns < until_ns and start_ns + 86_400 * 10**9 > since_ns
