"""labels/: final labels as Parquet, a file for each day of the answers, and state.json."""

import json
import os
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path

import polars as pl
import pyarrow as pa

from contracts.files import sync, write_whole
from contracts.tables.parquet import ParquetRows
from lifecycle.feedback.answered import paths_sql
from lifecycle.feedback.rules import CLASSES
from lifecycle.feedback.store import (
    FINAL,
    FIRST_RECEIVED,
    HEARTBEATS,
    LAST_EVENT,
    LATE,
    RECEIVED,
    REOPENED,
    WATERMARK,
    FeedbackStore,
)
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
CELLS = (  # of the store
    "prediction_id, row_no AS row, key, answered_ns AS answered_at, release, shown_ns AS shown_at, clicked, "
    "final_ns AS final_at, source"
)
AGAIN = (  # of a file that is there
    "prediction_id, row, key, epoch_ns(answered_at) AS answered_at, release, epoch_ns(shown_at) AS shown_at, clicked, "
    "epoch_ns(final_at) AS final_at, source"
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


def write_labels(store: FeedbackStore, folder: Path) -> int:
    """Write what the store has made final into files; how many labels. Of a label that is there already, this one counts."""
    db, number = store.db, 0
    for (day,) in db.execute("SELECT DISTINCT day FROM unwritten ORDER BY day").fetchall():
        path = folder / LABELS / f"{DAY}={day:%Y-%m-%d}" / PART
        own = f"SELECT {CELLS} FROM unwritten WHERE day = DATE '{day}'"
        own += " QUALIFY row_number() OVER (PARTITION BY prediction_id, row_no ORDER BY final_ns DESC, rowid DESC) = 1"
        number += int(store.value(f"SELECT count(*) FROM ({own})"))
        if path.is_file():
            kept = f"SELECT {AGAIN} FROM read_parquet({paths_sql([path])}, hive_partitioning = false)"
            own = f"{own} UNION ALL SELECT k.* FROM ({kept}) k ANTI JOIN (SELECT * FROM unwritten WHERE day = DATE '{day}') u "
            own += "ON k.prediction_id = u.prediction_id AND k.row = u.row_no"
        _write(store, f"SELECT * FROM ({own}) ORDER BY prediction_id, row", path)
        db.execute("DELETE FROM unwritten WHERE day = ?", [day])
    return number


def _write(store: FeedbackStore, query: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with ParquetRows(partial, LABEL_SCHEMA) as rows:
            for batch in store.db.sql(query).to_arrow_reader(1 << 16):
                rows.write(as_labels(batch))
        sync(partial)
        os.replace(partial, path)
        sync(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def as_labels(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Cells of LABEL_SCHEMA, of which times are still whole numbers."""
    columns = [
        column.view(kind.type) if pa.types.is_timestamp(kind.type) else column.cast(kind.type)
        for column, kind in zip(batch.columns, LABEL_SCHEMA, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=LABEL_SCHEMA)


def state_of(store: FeedbackStore, maturity_ns: int, now_ns: int) -> FeedState:
    counts = store.counts()
    watermark, first = store.marked(WATERMARK), store.marked(FIRST_RECEIVED)
    ripe_ns = (watermark or 0) - maturity_ns
    return FeedState(
        at_ns=now_ns,
        watermark_ns=watermark,
        last_event_ns=store.marked(LAST_EVENT),
        first_received_ns=None if first is None else -first,
        oldest_waiting_ns=store.value("SELECT min(coalesce(at_ns, received_ns)) FROM waiting"),
        unshown_clicks=store.value(
            "SELECT count(*) FROM facts WHERE clicked = 1 AND NOT is_shown AND final_ns IS NULL AND answered_ns < ?", [ripe_ns]
        ),
        open_rows=store.value("SELECT count(*) FROM facts WHERE is_shown AND final_ns IS NULL"),
        **{name: counts.get(name, 0) for name in (*CLASSES, RECEIVED, LATE, REOPENED, HEARTBEATS, FINAL)},
    )


def write_state(folder: Path, state: FeedState) -> None:
    write_whole(folder / LABELS / STATE, json.dumps(asdict(state), indent=1).encode(), synced=True)


def _overlaps(path: Path, since_ns: int, until_ns: int) -> bool:
    start = datetime.fromisoformat(f"{path.parent.name.split('=')[1]}T00:00:00+00:00")
    start_ns = int(start.timestamp()) * 10**9
    return start_ns < until_ns and start_ns + 86_400 * 10**9 > since_ns
