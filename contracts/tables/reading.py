"""Raw files in chunks of bounded size, delimited text, JSON lines or Parquet, with row numbers."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from contracts.dataset.source import Format, SourceError
from contracts.tables.chunk import ROW, Chunk, chunk_of, gathered, repeating, repeats
from contracts.tables.number_cells import without_decimal256
from contracts.tables.text.delimited import BLOCK_BYTES, read_text
from contracts.tables.text.header import Header, check_header
from contracts.tables.text.json_lines import is_json_lines, read_json_lines
from contracts.tables.text.text_file import TextFile

UNPACKING = ("inflate failed", "decompress failed", "xz: ", "zip: ")  # words of errors in compressed bytes
PARQUET_ROWS = 1 << 17  # rows of Parquet read at a time
TEXTS = (pa.string(), pa.large_string())
SAMPLE_ROWS = 1 << 13  # from the beginning of Parquet, which tell the columns that repeat themselves


def read_chunks(
    path: Path,
    fmt: Format,
    expected: tuple[str, ...],
    optional: frozenset[str],
    *,
    any_header: bool = False,
    joined: frozenset[str] = frozenset(),
    in_folders: frozenset[str] = frozenset(),
    rename: Mapping[str, str] | None = None,
    fewer: tuple[tuple[str, ...], ...] = (),
) -> Iterator[Chunk]:
    """Chunks of `path` in order. Raises SourceError if the file is empty, broken, or has not the expected columns.

    `expected` columns may come in any order; `optional` ones may be absent; with `any_header` all names are taken, and the
    expected ones only tell the header from other lines. `joined` ones come from side tables, `in_folders` ones from the path,
    and must not be here. `rename` says what the file calls a column and what it is called here. A text file without a header
    may have the columns of one of `fewer` instead of the expected ones; their number tells, and a warning says so.
    """
    header = Header(path, expected, optional, joined, in_folders, rename or {}, any_header, fewer)
    with _explained(path, fmt):
        if path.suffix == ".parquet":
            yield from _read_parquet(header)
        elif is_json_lines(path):
            yield from read_json_lines(header, fmt)
        else:
            with TextFile.opened(header, fmt) as file:
                yield from read_text(file)


def says_names(path: Path, fmt: Format) -> bool:
    """Does a file say itself what its columns are called."""
    return fmt.header or path.suffix == ".parquet" or is_json_lines(path)


@contextmanager
def _explained(path: Path, fmt: Format) -> Iterator[None]:
    """Raises what Arrow and the decoder raise as SourceError with the path and advice."""
    try:
        yield
    except UnicodeError as error:
        raise SourceError(
            f"{path} is not {fmt.encoding} ({error}); set {fmt.where}.encoding, to utf-16-le or utf-16-be where there is no mark"
        ) from error
    except (pa.ArrowInvalid, EOFError) as error:
        raise SourceError(f"{path}: {_why(error, fmt)}") from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise SourceError(f"{path}: {_why(error, fmt)}") from error


def _read_parquet(header: Header) -> Iterator[Chunk]:
    with pq.ParquetFile(header.path, pre_buffer=False) as file:  # or its bytes stay in memory (findings/pyarrow_pre_buffer.sh)
        called = check_header(header, file.schema_arrow.names, None)
        if file.metadata.num_rows == 0:
            raise SourceError(f"{header.path} holds no rows; remove it or send it again")
        repeated, metadata = _repeated_texts(file), file.metadata
    first = 1
    with pq.ParquetFile(header.path, metadata=metadata, read_dictionary=repeated, pre_buffer=False) as file:
        for batches in gathered(file.iter_batches(batch_size=PARQUET_ROWS), PARQUET_ROWS):
            chunk = chunk_of(_decoded(pa.Table.from_batches(batches), repeated).rename_columns(called))
            numbers = pl.Series(ROW, np.arange(first, first + len(chunk)), dtype=pl.UInt32)
            yield replace(chunk, rows=chunk.rows.with_columns(numbers))
            first += len(chunk)


def _repeated_texts(file: pq.ParquetFile) -> list[str]:
    """Names of the columns of texts that repeat themselves at the beginning of the file."""
    texts = [field.name for field in file.schema_arrow if _values(field.type) in TEXTS]
    sample = next(file.iter_batches(batch_size=SAMPLE_ROWS, columns=texts)) if texts else None
    return sorted(repeating(sample)) if sample is not None else []


def _values(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _decoded(table: pa.Table, repeated: list[str]) -> pa.Table:
    """The table with dictionaries where texts were read as such and do repeat themselves, which those of a row group need not."""
    table = without_decimal256(table)
    for i, (field, column) in enumerate(zip(table.schema, table.columns, strict=True)):
        if not pa.types.is_dictionary(field.type):
            continue
        if field.name not in repeated or not repeats(max(len(piece.dictionary) for piece in column.chunks), len(column)):
            table = table.set_column(i, field.with_type(field.type.value_type), column.cast(field.type.value_type))
    return table


def _why(error: Exception, fmt: Format) -> str:
    """Arrow's complaint as advice."""
    text = " ".join(str(error).split())
    if "Truncated compressed stream" in text or "unexpected end" in text.lower():
        return "the compressed stream ends too early: the file was cut off; send it again"
    if "Empty CSV" in text or (fmt.skip_lines and "skip" in text):
        few = f", or fewer lines than {fmt.where}.skip_lines, {fmt.skip_lines}" if fmt.skip_lines else ""
        return f"the file has no rows{few}; remove it or send it again"
    if any(word in text for word in UNPACKING):
        return f"it is compressed, but cannot be unpacked to its end ({text}); compress it again, or send it again"
    if "Parquet" in text or "magic bytes" in text:
        return f"not a readable Parquet file ({text}); send it again"
    if "straddling" in text:
        return (
            f"a row is longer than {BLOCK_BYTES >> 20} MiB: a quote is probably never closed; "
            f"set {fmt.where}.quote: null if quotes have no meaning"
        )
    return f"cannot be read: {text}"
