"""Writes labels/ from the store: what has become final since, and how the feed stands."""

import json
import os
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa

from contracts.files import sync, write_whole
from contracts.tables.parquet import ParquetRows
from lifecycle.feedback.answered import paths_sql
from lifecycle.feedback.labels import LABEL_SCHEMA, LABELS, PART, STATE, FeedState
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
from lifecycle.journal.columns import DAY

CELLS = (  # of the store
    "prediction_id, row_no AS row, key, answered_ns AS answered_at, release, shown_ns AS shown_at, clicked, "
    "final_ns AS final_at, source"
)
AGAIN = (  # of a file that is there
    "prediction_id, row, key, epoch_ns(answered_at) AS answered_at, release, epoch_ns(shown_at) AS shown_at, clicked, "
    "epoch_ns(final_at) AS final_at, source"
)


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
