"""Labels and labelled rows of a user. They name rows by prediction id, so the journal says which are theirs, and is erased after.

Where the store is rewritten it is copied into a new file: a database keeps in its free blocks what was deleted.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from contracts.dataset.served import ROWS
from contracts.files import sync
from contracts.lifecycle.feedback import FeedbackConfig
from contracts.tables.parquet import ParquetRows
from lifecycle.erase import parquet, reach
from lifecycle.erase.wanted import Wanted
from lifecycle.feedback.labels import label_files
from lifecycle.feedback.store import MODE, NAME, connected, only_writer

STORED = ("waiting", "facts", "unwritten")  # tables with rows of somebody
NEW = f".{NAME}.new"
THEIRS = (  # an event that leaves the row out means the first
    "(prediction_id, coalesce(row_no, 0)) IN (SELECT (id, n) FROM erased) OR list_contains($keys, key)"
)
Row = tuple[str, int]


@dataclass(kw_only=True)
class FeedbackHeld:
    """What is to be done; rows of each."""

    rows: set[Row] = field(default_factory=set)  # of the user, as the journal names them
    labels: dict[Path, int] = field(default_factory=dict)
    stored: int = 0  # in the store
    labelled: dict[Path, int] = field(default_factory=dict)
    rejected: list[Path] = field(default_factory=list)  # files with rejected rows that hold the user

    def counts(self) -> dict[str, int]:
        return {
            "labels": sum(self.labels.values()),
            "feedback_events": self.stored,
            "labelled_rows": sum(self.labelled.values()),
            "rejected_files": len(self.rejected),
        }


def look(served: Iterable[Path], config: FeedbackConfig, wanted: Wanted) -> FeedbackHeld:
    """`served`: the journal's Parquet files that hold the user. Raises ValueError while another process writes to the store."""
    held = FeedbackHeld(rows={row for path in served for row in parquet.rows_of(path, wanted)})
    folder = Path(config.folder)
    for path in label_files(folder):
        found = sum(_theirs(pq.read_table(path, columns=["prediction_id", "row", "key"], partitioning=None), held.rows, wanted))
        if found:
            held.labels[path] = found
    for path in sorted(Path(config.labelled).glob(f"*/{ROWS}")):
        rows = parquet.look(path, wanted).rows
        if rows:
            held.labelled[path] = rows
    held.rejected = reach.holding(folder / "rejected", wanted) if (folder / "rejected").is_dir() else []
    if (folder / NAME).is_file():
        with only_writer(folder, {}):
            held.stored = _in_store(folder, config, held.rows, wanted, is_erased=False)
    return held


def erase(config: FeedbackConfig, held: FeedbackHeld, wanted: Wanted) -> None:
    """Labelled rows, labels, then the store. Killed in between and run again, it goes on with what is left."""
    folder, labelled = Path(config.folder), Path(config.labelled)
    if not folder.is_dir() and not labelled.is_dir():
        return
    folder.mkdir(exist_ok=True, mode=MODE)
    with only_writer(folder, {}):
        for left in (*folder.rglob(".*.partial"), *labelled.rglob(".*.partial")):  # by a writer that was killed
            left.unlink()
        for path in held.rejected:
            path.unlink(missing_ok=True)
        for path in held.labelled:
            table = pq.read_table(path, partitioning=None)
            _rewrite(path, table, parquet.found_in(table, wanted).tolist())
        for path in held.labels:
            table = pq.read_table(path, partitioning=None)
            _rewrite(path, table, _theirs(table, held.rows, wanted))
        if held.stored:
            _in_store(folder, config, held.rows, wanted, is_erased=True)


def _theirs(table: pa.Table, rows: set[Row], wanted: Wanted) -> list[bool]:
    cells = zip(*(table[name].to_pylist() for name in ("prediction_id", "row", "key")), strict=True)
    return [(prediction_id, row) in rows or _is_key(key, wanted) for prediction_id, row, key in cells]


def _is_key(key: str | None, wanted: Wanted) -> bool:
    return wanted.in_caller_keys and key is not None and (wanted.is_meant(key.encode()) or key.encode() in wanted.hashes)


def _rewrite(path: Path, table: pa.Table, gone: list[bool]) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with ParquetRows(partial, schema=table.schema) as rows:
            for batch in table.filter(pa.array([not one for one in gone], pa.bool_())).to_batches():
                rows.write(batch)
        sync(partial)
        os.replace(partial, path)
        sync(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def _in_store(folder: Path, config: FeedbackConfig, rows: set[Row], wanted: Wanted, is_erased: bool) -> int:
    """Rows of the store that are the user's; with `is_erased` they are gone then, and the file is a new one."""
    db = connected(folder / NAME, config)
    try:
        listed = sorted(rows)
        db.register(
            "theirs", pa.table({"id": [row[0] for row in listed], "n": pa.array([row[1] for row in listed], pa.uint32())})
        )
        db.execute("CREATE TEMP TABLE erased AS SELECT * FROM theirs")
        keys = _stored_keys(db, wanted)
        number = sum(_number(db, table, keys) for table in STORED)
        if is_erased:
            _copy(db, folder, keys)
    finally:
        db.close()
    if is_erased:
        os.replace(folder / NEW, folder / NAME)
        sync(folder)
    return number


def _stored_keys(db: Any, wanted: Wanted) -> list[str]:
    if not wanted.in_caller_keys:
        return []
    union = " UNION ".join(f"SELECT key FROM {table} WHERE key IS NOT NULL" for table in STORED)
    return [key for (key,) in db.execute(union).fetchall() if _is_key(key, wanted)]


def _number(db: Any, table: str, keys: list[str]) -> int:
    return int(db.execute(f"SELECT count(*) FROM {table} WHERE {THEIRS}", {"keys": keys}).fetchall()[0][0])


def _copy(db: Any, folder: Path, keys: list[str]) -> None:
    """A new file without the user's rows. The old one keeps them until the new one takes its place: so they are found again."""
    new = folder / NEW
    for left in folder.glob(f"{NEW}*"):  # with its log, by one that was killed
        left.unlink()
    db.execute(f"ATTACH '{str(new).replace(chr(39), chr(39) * 2)}' AS fresh")
    db.execute("COPY FROM DATABASE feedback TO fresh (SCHEMA)")
    for (table,) in db.execute("SELECT table_name FROM duckdb_tables() WHERE database_name = 'fresh'").fetchall():
        kept, values = (f"WHERE ({THEIRS}) IS NOT TRUE", {"keys": keys}) if table in STORED else ("", {})
        db.execute(f"INSERT INTO fresh.{table} SELECT * FROM feedback.{table} {kept}", values)
    db.execute("DETACH fresh")
    sync(new)
