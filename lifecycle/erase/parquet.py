"""The journal's Parquet files: rows of a user in them, and the same files without these rows."""

import os
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
from lifecycle.journal.served import PARTIAL, SERVED, SOUGHT

IMAGE = "image_sha256"


def files_of(folder: Path) -> list[Path]:
    return sorted((folder / SERVED).rglob("*.parquet"))


def look(path: Path, wanted: Wanted) -> tuple[int, set[bytes], set[bytes]]:
    """The user's rows, digests of the images in them, and of those in all other rows."""
    file = pq.ParquetFile(path)
    names = [name for name in (*_columns(file.schema_arrow, wanted), IMAGE) if name in file.schema_arrow.names]
    table = file.read(columns=names)
    found_N = _found(table, wanted)
    digests = table[IMAGE].to_pylist() if IMAGE in names else []
    pairs = [(bytes.fromhex(digest), found) for digest, found in zip(digests, found_N.tolist(), strict=False) if digest]
    return int(found_N.sum()), {d for d, found in pairs if found}, {d for d, found in pairs if not found}


def erase(folder: Path, path: Path, wanted: Wanted) -> None:
    """Replace the file by one without the user's rows. Killed before its end, it has done nothing."""
    table = pq.read_table(path, partitioning=None)
    kept = table.filter(pa.array(~_found(table, wanted)))
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


def _found(table: pa.Table, wanted: Wanted) -> np.ndarray:
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
