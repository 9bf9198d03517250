"""Raw files in chunks of bounded size: delimited text (plain or gzip) and Parquet, with row numbers and unreadable lines."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from contracts.declaration import Format

BLOCK_BYTES = 16 << 20  # text parsed at a time; the memory of every reader follows from it
PARQUET_ROWS = 1 << 17  # rows of Parquet read at a time
ROW = "__row"  # number of the row in its file, the first is 1


class SourceError(ValueError):
    """A whole file cannot be used; the text says which, why and what to do."""


@dataclass
class Chunk:
    """Some rows of one file. Text cells are bytes decoded to strings; what could not be decoded is null in `rows`."""

    rows: pl.DataFrame  # the file's columns and ROW
    ragged: list[tuple[int, str]] = field(default_factory=list)  # row number and line, cells not as many as columns
    undecoded: list[tuple[int, str, str]] = field(default_factory=list)  # row number, column, escaped bytes


def read_chunks(
    path: Path, fmt: Format, expected: tuple[str, ...], optional: frozenset[str], *, any_header: bool = False
) -> Iterator[Chunk]:
    """Chunks of `path` in order. Raises SourceError if the file is empty, broken, or has not the expected columns.

    `expected` columns may come in any order; `optional` ones may be absent; with `any_header` all names are taken.
    """
    try:
        if path.suffix == ".parquet":
            names = tuple(pq.read_schema(path).names)
            yield from _read_parquet(path, names if any_header else expected, optional)
        else:
            if any_header and path.stat().st_size:
                expected = tuple(_header(path, fmt))
            yield from _read_text(path, fmt, expected, optional)
    except UnicodeDecodeError as error:
        raise SourceError(f"{path}: the header is not {fmt.encoding} (byte {error.object[error.start]:#04x}); set source.format.encoding") from error
    except (pa.ArrowInvalid, EOFError) as error:
        raise SourceError(f"{path}: {_why(error)}") from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise SourceError(f"{path}: {_why(error)}") from error


def _read_parquet(path: Path, expected: tuple[str, ...], optional: frozenset[str]) -> Iterator[Chunk]:
    with pq.ParquetFile(path) as file:
        check_header(path, file.schema_arrow.names, expected, optional, None)
        if file.metadata.num_rows == 0:
            raise SourceError(f"{path} holds no rows; remove it or send it again")
        first = 1
        for batch in file.iter_batches(batch_size=PARQUET_ROWS):
            rows = pl.from_arrow(pa.Table.from_batches([batch]))
            yield Chunk(rows=rows.with_columns(pl.Series(ROW, range(first, first + len(rows)), dtype=pl.UInt32)))
            first += len(rows)


def _read_text(path: Path, fmt: Format, expected: tuple[str, ...], optional: frozenset[str]) -> Iterator[Chunk]:
    if path.stat().st_size == 0:
        raise SourceError(f"{path} is empty; remove it or send it again")
    names = list(expected) if not fmt.header else _header(path, fmt)
    if fmt.header:
        check_header(path, names, expected, optional, fmt)
    bad_lines: list[tuple[int, str]] = []  # record number as pyarrow counts, from 1 and with the header
    reader = _open(path, fmt, names, bad_lines)
    next_row, seen = 1, 0
    for batch in reader:
        ragged = [(number - fmt.header, text) for number, text in bad_lines[seen:]]
        numbers, used = _row_numbers(next_row, batch.num_rows, [number for number, _ in ragged])
        seen += used
        next_row = (numbers[-1] if numbers else next_row - 1) + 1
        rows, undecoded = _decode(batch, numbers)
        yield Chunk(rows=rows, ragged=ragged[:used], undecoded=undecoded)
    rest = [(number - fmt.header, text) for number, text in bad_lines[seen:]]
    if next_row == 1 and not rest:
        raise SourceError(f"{path} has a header but no rows; remove it or send it again")
    if rest:
        yield Chunk(rows=pl.DataFrame(schema={**dict.fromkeys(names, pl.String), ROW: pl.UInt32}), ragged=rest)


def _open(path: Path, fmt: Format, names: list[str], bad_lines: list[tuple[int, str]]) -> pacsv.CSVStreamingReader:
    def keep_aside(row: pacsv.InvalidRow) -> str:
        bad_lines.append((row.number, row.text))
        return "skip"

    return pacsv.open_csv(
        path,
        read_options=pacsv.ReadOptions(
            use_threads=False,  # only then does a bad line know its number
            block_size=BLOCK_BYTES,
            encoding=fmt.encoding,
            column_names=names,
            skip_rows=0,
            skip_rows_after_names=int(fmt.header),
        ),
        parse_options=pacsv.ParseOptions(
            delimiter=fmt.delimiter,
            quote_char=fmt.quote or False,
            newlines_in_values=fmt.quote is not None,
            invalid_row_handler=keep_aside,
        ),
        convert_options=pacsv.ConvertOptions(column_types=dict.fromkeys(names, pa.binary()), strings_can_be_null=False),
    )


def _header(path: Path, fmt: Format) -> list[str]:
    """Names in the file's first record."""
    options = pacsv.ReadOptions(use_threads=False, block_size=1 << 20, encoding=fmt.encoding)
    parse = pacsv.ParseOptions(delimiter=fmt.delimiter, quote_char=fmt.quote or False, invalid_row_handler=lambda _: "skip")
    with pacsv.open_csv(path, read_options=options, parse_options=parse) as reader:
        return reader.schema.names


def check_header(path: Path, names: list[str], expected: tuple[str, ...], optional: frozenset[str], fmt: Format | None) -> None:
    """Raise SourceError unless `names` are the expected columns, in any order; optional ones may be absent."""
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise SourceError(f"{path} has column '{twice}' twice; give each column its own name")
    missing = [name for name in expected if name not in names and name not in optional]
    if fmt is not None and len(names) == 1 and len(expected) > 1:
        other = next((d for d in ("\t", ";", "|", ",") if d != fmt.delimiter and d in names[0]), None)
        hint = f"it seems to be separated by {other!r}; set source.format.delimiter" if other else "is the delimiter right?"
        raise SourceError(f"{path} has one column when split at {fmt.delimiter!r}, expected {len(expected)}; {hint}")
    if missing:
        raise SourceError(f"{path} lacks the declared column '{missing[0]}'{_others(missing)}; it has {', '.join(names[:12])}{', ...' if len(names) > 12 else ''}")
    extra = [name for name in names if name not in expected and name not in optional]
    if extra:
        raise SourceError(f"{path} has the column '{extra[0]}'{_others(extra)} that is not declared; add it to columns or to leave_out with the reason")


def _others(names: list[str]) -> str:
    return f" (and {len(names) - 1} more)" if len(names) > 1 else ""


def _row_numbers(first: int, count: int, skipped: list[int]) -> tuple[list[int], int]:
    """Numbers of `count` rows from `first` on, leaving out the skipped ones; and how many of those were passed."""
    numbers, used, candidate = [], 0, first
    if not skipped:
        return list(range(first, first + count)), 0
    skip = iter(skipped)
    next_skip = next(skip, None)
    while len(numbers) < count:
        if candidate == next_skip:
            used, next_skip = used + 1, next(skip, None)
        else:
            numbers.append(candidate)
        candidate += 1
    return numbers, used


def _decode(batch: pa.RecordBatch, numbers: list[int]) -> tuple[pl.DataFrame, list[tuple[int, str, str]]]:
    """The batch as strings; cells that are no UTF-8 become null and are listed."""
    undecoded: list[tuple[int, str, str]] = []
    columns = []
    for name, cells in zip(batch.schema.names, batch.columns, strict=True):
        try:
            columns.append(cells.cast(pa.string()))
        except pa.ArrowInvalid:
            values = [_text(value.as_py()) for value in cells]
            undecoded += [(numbers[i], name, ascii(cells[i].as_py())) for i, value in enumerate(values) if value is None]
            columns.append(pa.array(values, pa.string()))
    rows = pl.from_arrow(pa.table(dict(zip(batch.schema.names, columns, strict=True))))
    return rows.with_columns(pl.Series(ROW, numbers, dtype=pl.UInt32)), undecoded


def _text(cell: bytes) -> str | None:
    try:
        return cell.decode()
    except UnicodeDecodeError:
        return None


def _why(error: Exception) -> str:
    """Arrow's complaint as advice."""
    text = " ".join(str(error).split())
    if "Truncated compressed stream" in text or "unexpected end" in text.lower():
        return "the gzip stream ends too early: the file was cut off; send it again"
    if "Empty CSV" in text:
        return "the file is empty; remove it or send it again"
    if "zlib" in text or "header check" in text:
        return "the suffix says gzip but the content is not gzip; rename it or compress it again"
    if "Parquet" in text or "magic bytes" in text:
        return f"not a readable Parquet file ({text}); send it again"
    if "straddling" in text:
        return f"a row is longer than {BLOCK_BYTES >> 20} MiB: a quote is probably never closed; set source.format.quote: null if quotes have no meaning"
    return f"cannot be read: {text}"
