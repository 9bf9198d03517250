"""Parquet files whose bytes are a function of their rows alone: not of the pieces the rows came in, nor of how they lie in
memory (chunks, offsets, bitmaps of nulls, dictionaries of repeated values).
"""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:  # a quarter of a second of CPU time, for who writes what Arrow has
    import polars as pl

GROUP_ROWS = 1 << 17  # rows in a row group, but in the last; so many are held in memory until they are written
SETTINGS = {"compression": "zstd", "compression_level": 1, "write_statistics": True, "store_schema": False}
LARGE = {pa.string(): pa.large_string(), pa.binary(): pa.large_binary()}  # a row group may hold more than 2 GiB of them


def streamed(path: Path, **settings: Any) -> pq.ParquetFile:
    """The file, open to be read batch by batch, with what is read of it in memory.

    As pyarrow opens it by default, the bytes of all row groups stay until it is closed (findings/pyarrow_pre_buffer.sh).
    """
    return pq.ParquetFile(path, pre_buffer=False, **settings)


class ParquetRows:
    """Writes rows that come in pieces of any size to one file, in row groups of GROUP_ROWS.

    Without a `schema` the first piece has it; a file that no piece came for then stays as it is. `settings` of pyarrow's writer
    are taken beside SETTINGS.
    """

    def __init__(self, target: Path | IO[bytes], schema: pa.Schema | None = None, **settings: Any) -> None:
        self._target, self._waiting = target, list[pa.Table]()
        self._settings = SETTINGS | settings
        self._num_waiting = 0
        self._writer: pq.ParquetWriter | None = None
        if schema is not None:
            self._open(schema)

    def write(self, rows: "pl.DataFrame | pa.RecordBatch") -> None:
        """Add rows. Raises pyarrow's errors where they have not the columns and types of those before."""
        table = pa.Table.from_batches([rows]) if isinstance(rows, pa.RecordBatch) else rows.to_arrow()
        writer = self._writer or self._open(table.schema)
        self._waiting.append(table.cast(self._schema))
        self._num_waiting += len(table)
        if self._num_waiting >= GROUP_ROWS:
            self._write_groups(writer, whole_only=True)

    def write_group(self, rows: pa.Table) -> None:
        """Add rows as a row group of their own, at most GROUP_ROWS; what waits is written before."""
        writer = self._writer or self._open(rows.schema)
        self._write_groups(writer, whole_only=False)
        writer.write_table(rows.cast(self._schema).combine_chunks(), row_group_size=GROUP_ROWS)

    def close(self) -> None:
        """Write what waits, and the end of the file."""
        if self._writer is not None:
            self._write_groups(self._writer, whole_only=False)
            self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self.close()
        elif self._writer is not None:
            self._writer.close()

    def _open(self, schema: pa.Schema) -> pq.ParquetWriter:
        self._schema = pa.schema([pa.field(field.name, _plain(field.type)) for field in schema])
        self._writer = pq.ParquetWriter(self._target, self._schema, **self._settings)
        return self._writer

    def _write_groups(self, writer: pq.ParquetWriter, whole_only: bool) -> None:
        table = pa.concat_tables(self._waiting) if self._waiting else None
        self._waiting = []
        for group in _groups(table) if table is not None else ():
            if len(group) < GROUP_ROWS and whole_only:
                self._waiting = [group]
            else:
                writer.write_table(group.combine_chunks(), row_group_size=GROUP_ROWS)
        self._num_waiting = sum(map(len, self._waiting))


def _groups(table: pa.Table) -> Iterator[pa.Table]:
    return (table.slice(start, GROUP_ROWS) for start in range(0, len(table), GROUP_ROWS))


def _plain(kind: pa.DataType) -> pa.DataType:
    """The type of the values themselves: a dictionary's order is not part of them, and would be written."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return LARGE.get(kind, kind)
