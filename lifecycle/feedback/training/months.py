"""Rows with final labels as months of a data set that the pipeline trains on (`source.kind: served`): what was asked, as
the journal has it, with the label; images beside.

A month is written anew from labels and journal, so its bytes follow from these alone. One of which the journal has lost rows by
now (what is older than serving.journal.keep_days goes) stays as it was.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from contracts.dataset.columns import Column
from contracts.dataset.declaration import Declaration
from contracts.dataset.served import CREATIVES, ROWS
from contracts.files import sync
from contracts.lifecycle.feedback import FeedbackConfig
from contracts.tables.parquet import ParquetRows
from lifecycle.feedback.answered import answered_files, paths_sql
from lifecycle.feedback.labels import label_files
from lifecycle.feedback.store import FeedbackStore
from lifecycle.feedback.training.hidden import hidden_names
from lifecycle.feedback.training.images import write_images
from lifecycle.journal.columns import TAKEN

TYPES = {"string": "VARCHAR", "int": "BIGINT", "float": "DOUBLE", "bool": "BOOLEAN", "datetime": "BIGINT"}
ARROW = {
    "string": pa.string(),
    "int": pa.int64(),
    "float": pa.float64(),
    "bool": pa.bool_(),
    "datetime": pa.timestamp("us", "UTC"),
}
MONTH = "strftime(make_timestamp_ns(coalesce(epoch_ns(s.event_at), epoch_ns(s.answered_at))), '%Y-%m')"
Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class MonthOfRows:
    """A month that can be written."""

    name: str
    rows: int  # that the journal has
    without_key: int
    without_event_time: int


def write_labelled(store: FeedbackStore, journal: Path, config: FeedbackConfig, declaration: Declaration, say: Say) -> None:
    """Write every month, and say what could not be built again."""
    labels, files = label_files(Path(config.folder)), answered_files(journal)
    if not labels:
        say("no label is final yet, so there are no rows to train on")
        return
    read = paths_sql(file.path for file in files)
    store.db.execute(
        "CREATE OR REPLACE TEMP VIEW labelled AS SELECT prediction_id, row, clicked "
        f"FROM read_parquet({paths_sql(labels)}, hive_partitioning = false)"
    )
    if files:
        store.db.execute(
            "CREATE OR REPLACE TEMP VIEW journalled AS SELECT * FROM "
            f"read_parquet({read}, hive_partitioning = false, filename = true, union_by_name = true)"
        )
    number = int(store.value("SELECT count(*) FROM labelled"))
    months = _months(store) if files else []
    for month in months:
        _write_month(store, journal, month, config, declaration, say)
    lost = number - sum(month.rows for month in months)
    if lost:
        say(f"{lost:,} labelled rows are not in the journal any more; months that had them stay as they were")


def _months(store: FeedbackStore) -> list[MonthOfRows]:
    rows = store.db.execute(
        f"SELECT {MONTH} AS month, count(*), count(*) - count(s.key), count(*) - count(s.event_at) "
        "FROM labelled l JOIN journalled s USING (prediction_id, row) GROUP BY month ORDER BY month"
    ).fetchall()
    return [MonthOfRows(name=name, rows=rows, without_key=keys, without_event_time=times) for name, rows, keys, times in rows]


def _write_month(
    store: FeedbackStore, journal: Path, month: MonthOfRows, config: FeedbackConfig, declaration: Declaration, say: Say
) -> None:
    folder = Path(config.labelled) / month.name
    path = folder / ROWS
    before = pq.read_metadata(path).num_rows if path.is_file() else 0
    if before > month.rows:
        say(f"{path} stays as it was with {before:,} rows: the journal has only {month.rows:,} of them now")
        return
    names = [column[0] for column in store.db.execute("SELECT * FROM journalled LIMIT 0").description]
    hidden = hidden_names(journal)
    cells = [_cell(column, names, hidden) for column in _held(declaration)]
    query = f"""SELECT {", ".join(cells)} FROM labelled l JOIN journalled s USING (prediction_id, row)
        WHERE {MONTH} = '{month.name}'
        ORDER BY coalesce(epoch_ns(s.event_at), epoch_ns(s.answered_at)), l.prediction_id, l.row"""
    folder.mkdir(parents=True, exist_ok=True)
    empty = _write(store, query, path, declaration)
    images = write_images(store, journal, folder / CREATIVES, month.name, declaration) if declaration.images else ""
    say(f"{path}: {month.rows:,} rows{images}")
    for line in _unbuilt(month, declaration, empty):
        say(f"{path}: {line}")


def _held(declaration: Declaration) -> list[Column]:
    """The columns of a month's file: all but those that are computed of these again when it is read."""
    return [column for column in declaration.columns if not column.made_of]


def _cell(column: Column, names: list[str], hidden: dict[str, list[str]]) -> str:
    """A declared column in SQL; nothing where the journal does not have it."""
    own = TAKEN.format(column.name) if TAKEN.format(column.name) in names else column.name
    kind = "TINYINT" if column.role == "label" else TYPES[column.dtype]
    if column.role in ("label", "clicks"):
        value = "l.clicked"
    elif column.role == "time":
        value = "coalesce(epoch_ns(s.event_at), epoch_ns(s.answered_at)) // 1000"
    elif column.role == "key":
        value = "s.key"
    elif own in names and column.dtype != "datetime":
        value = 's."{}"'.format(own.replace('"', '""'))
    else:
        value = "NULL"
    segments = hidden.get("key" if column.role == "key" else column.name)
    if segments:
        listed = ", ".join(f"'{segment}'" for segment in segments)
        value = f"CASE WHEN regexp_extract(s.filename, '([^/]*)[.]parquet$', 1) NOT IN ({listed}) THEN {value} END"
    return f"TRY_CAST({value} AS {kind})"


def _write(store: FeedbackStore, query: str, path: Path, declaration: Declaration) -> dict[str, int]:
    """Replace the file; how many cells of each column are empty."""
    kinds = [pa.int8() if column.role == "label" else ARROW[column.dtype] for column in _held(declaration)]
    schema = pa.schema([(column.name, kind) for column, kind in zip(_held(declaration), kinds, strict=True)])
    empty = dict.fromkeys(schema.names, 0)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with ParquetRows(partial, schema) as rows:
            for batch in store.db.sql(query).to_arrow_reader(1 << 16):
                for name, cells in zip(schema.names, batch.columns, strict=True):
                    empty[name] += cells.null_count
                columns = [cells.cast(kind) for cells, kind in zip(batch.columns, kinds, strict=True)]
                rows.write(pa.RecordBatch.from_arrays(columns, schema=schema))
        sync(partial)
        os.replace(partial, path)
        sync(path.parent)
    finally:
        partial.unlink(missing_ok=True)
    return empty


def _unbuilt(month: MonthOfRows, declaration: Declaration, empty: dict[str, int]) -> list[str]:
    """What the rows lack that the data set's own would have."""
    lines = []
    if month.without_event_time and declaration.time is not None:
        lines.append(f"{month.without_event_time:,} rows came without an event time and have the answer's (event_time_ms)")
    for column in _held(declaration):
        if empty[column.name] and not column.nullable:
            what = "no request says it, or it was hidden or dropped (docs/privacy.md)"
            why = "no key that the column can hold came with the row" if column.role == "key" else what
            lines.append(f"column {column.name} is empty in {empty[column.name]:,} rows: {why}")
    return lines
