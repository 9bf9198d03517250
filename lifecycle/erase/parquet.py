"""The journal's Parquet files, of answers and of shadows: rows of a user in them, and the same files without these rows."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from contracts.files import sync
from contracts.tables.parquet import ParquetRows
from contracts.tables.spellings import whole_number
from lifecycle.erase.wanted import Wanted
from lifecycle.journal.columns import TAKEN
from lifecycle.journal.routing_columns import ROUTING_COLUMNS, has_routing
from lifecycle.journal.served import PARTIAL, SERVED, SHADOWED, SOUGHT

IMAGE, ROUTING_KEY, BUCKET = "image_sha256", "routing_key", "bucket"


@dataclass(frozen=True, kw_only=True)
class HeldRows:
    """What a file holds of a user."""

    rows: int
    is_routed: bool  # the user is the routing key of a request
    images: set[bytes]  # digests of those rows
    other_images: set[bytes]  # of all others


def files_of(folder: Path) -> list[Path]:
    return [path for dataset in (SERVED, SHADOWED) for path in sorted((folder / dataset).rglob("*.parquet"))]


def look(path: Path, wanted: Wanted) -> HeldRows:
    file = pq.ParquetFile(path)
    names = [name for name in (*_columns(file.schema_arrow, wanted), IMAGE) if name in file.schema_arrow.names]
    names += ROUTING_COLUMNS if has_routing(file.schema_arrow) else ()
    table = file.read(columns=names)
    found_N = found_in(table, wanted)
    digests = table[IMAGE].to_pylist() if IMAGE in names else []
    pairs = [(bytes.fromhex(digest), found) for digest, found in zip(digests, found_N.tolist(), strict=False) if digest]
    return HeldRows(
        rows=int(found_N.sum()),
        is_routed=bool(_routed(table, wanted).any()),
        images={digest for digest, found in pairs if found},
        other_images={digest for digest, found in pairs if not found},
    )


def erase(folder: Path, path: Path, wanted: Wanted) -> None:
    """Replace the file by one without the user's rows and routing keys. Killed before its end, it has done nothing."""
    table = pq.read_table(path, partitioning=None)
    found_N = found_in(table, wanted)
    kept = _without_routing(table, found_N, wanted).filter(pa.array(~found_N))
    partial = folder / PARTIAL / path.name
    with ParquetRows(partial, schema=table.schema, write_statistics=SOUGHT) as rows:
        for batch in kept.to_batches():
            rows.write(batch)
    sync(partial)
    os.replace(partial, path)
    sync(path.parent)


def _columns(schema: pa.Schema, wanted: Wanted) -> list[str]:
    """Those that may say whose row it is."""
    own = next((name for name in (TAKEN.format(wanted.column), wanted.column) if name in schema.names), None)
    return [*([] if own is None else [own]), *(["key"] if wanted.in_caller_keys and "key" in schema.names else [])]


def _without_routing(table: pa.Table, found_N: np.ndarray, wanted: Wanted) -> pa.Table:
    """As records lose it: no routing key that is the user, and no bucket of that, or of a first row of the user's."""
    if not has_routing(table.schema):
        return table
    routed_N = _routed(table, wanted)
    of_theirs = pc.unique(table["prediction_id"].filter(pa.array(found_N & (table["row"].to_numpy() == 0))))
    is_theirs_N = pc.is_in(table["prediction_id"], value_set=of_theirs).to_numpy(zero_copy_only=False)
    for name, gone_N in ((ROUTING_KEY, routed_N), (BUCKET, routed_N | is_theirs_N)):
        column = table[name]
        cleared = pc.if_else(pa.array(gone_N), pa.scalar(None, column.type), column)
        table = table.set_column(table.column_names.index(name), name, cleared)
    return table


def _routed(table: pa.Table, wanted: Wanted) -> np.ndarray:
    """Rows of requests whose routing key is the user."""
    if not has_routing(table.schema):
        return np.zeros(len(table), dtype=bool)
    keys = [key for key in pc.unique(table[ROUTING_KEY]).to_pylist() if key is not None]
    theirs = [key for key in keys if key.encode() in wanted.hashes or wanted.is_meant(key.encode())]
    found = pc.is_in(table[ROUTING_KEY], value_set=pa.array(theirs, table[ROUTING_KEY].type))
    return np.asarray(found.to_numpy(zero_copy_only=False))


def rows_of(path: Path, wanted: Wanted) -> list[tuple[str, int]]:
    """Prediction id and number of each row of the user's."""
    file = pq.ParquetFile(path)
    names = [name for name in ("prediction_id", "row") if name in file.schema_arrow.names]
    table = file.read(columns=[*names, *_columns(file.schema_arrow, wanted)])
    theirs = table.filter(pa.array(found_in(table, wanted)))
    return list(zip(*(theirs[name].to_pylist() for name in names), strict=True)) if len(names) == 2 else []


def found_in(table: pa.Table, wanted: Wanted) -> np.ndarray:
    """Which rows are the user's."""
    found_N = np.zeros(len(table), dtype=bool)
    for name in _columns(table.schema, wanted):
        column = table[name]
        if pa.types.is_integer(column.type):
            values = pa.array([whole_number(wanted.value)], column.type)
        elif pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            values = pa.array([text.decode() for text in (*wanted.texts, *wanted.hashes)], column.type)
        else:
            continue
        found_N |= pc.is_in(column, value_set=values).to_numpy(zero_copy_only=False)
    return found_N
