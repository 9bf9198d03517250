"""Delimited text, plain or compressed, in chunks of bounded size, with row numbers and the rows that cannot be read."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from contracts.dataset.source import SEPARATOR, Format, SourceError
from contracts.tables.chunk import ROW, Chunk, chunk_of, gathered
from contracts.tables.text.csv_reader import csv_reader
from contracts.tables.text.decoding import MARK, escaped_bytes
from contracts.tables.text.header import no_row_fits
from contracts.tables.text.separator import OWN, restored
from contracts.tables.text.text_file import TextFile

BLOCK_BYTES = 1 << 20  # text parsed at a time; pyarrow reads about 32 blocks ahead, so the memory follows from it
TEXT_ROWS = 1 << 17  # rows in a chunk, at least: work done once a chunk is spread over these
MAX_CELL_LINES = 50  # a cell with more line breaks has swallowed rows: its quote was never closed


def read_text(file: TextFile) -> Iterator[Chunk]:
    """Chunks of a text file. Raises SourceError as `reading.read_chunks` does; errors of decoding and parsing as they come."""
    path, fmt, called, stream = file.path, file.fmt, file.called, file.stream
    bad_lines: list[tuple[int, str]] = []
    passed, next_row, seen = int(fmt.header) + fmt.num_skipped, 1, 0  # pyarrow numbers all of them, from 1
    changed = () if fmt.separator == fmt.delimiter else (SEPARATOR, OWN)  # what cells may have that the file has not
    at_end: list[str] = []  # cells of the last row that may hold line breaks
    with csv_reader(stream, fmt, file.names, BLOCK_BYTES, file.repeated, bad_lines) as reader:
        for batches in gathered(reader, TEXT_ROWS):
            batches = [batch.rename_columns(called) for batch in batches]
            ragged = _ragged(path, bad_lines[seen:], passed, fmt)
            numbers, used = _row_numbers(next_row, sum(map(len, batches)), np.array([number for number, _ in ragged], dtype=int))
            seen += used
            next_row = int(numbers[-1]) + 1 if len(numbers) else next_row
            several_lines, marked, *split = _columns_with(("\n", MARK, *changed), batches)
            chunk = chunk_of(pa.Table.from_batches(batches)).spelled_out({*several_lines, *marked, *chain(*split)})
            rows = chunk.rows.with_columns(pl.Series(ROW, numbers, dtype=pl.UInt32))
            rows = rows.with_columns(_restored(name, fmt) for name in dict.fromkeys(chain(*split)))
            _refuse_swallowed(path, rows, several_lines, fmt)
            at_end = [rows[name][-1] for name in several_lines]
            chunk.rows, chunk.undecoded = _undecoded(rows, marked if stream.has_marks else [])
            chunk.ragged = ragged[:used]
            if fmt.strip:
                chunk.rows = chunk.rows.with_columns(pl.col(pl.String).str.strip_chars())
                chunk.distinct = chunk.distinct.with_columns(pl.all().str.strip_chars())
            yield chunk
    open_cell = next((cell for cell in at_end if cell.endswith("\n")), None)
    if open_cell is not None and stream.last != (fmt.quote or "").encode():
        raise _swallowed(path, next_row - 1, open_cell.rstrip("\n").count("\n"), fmt)
    rest = _ragged(path, bad_lines[seen:], passed, fmt)
    if next_row == 1:
        if rest:
            raise no_row_fits(file.header, rest[0][1], called, fmt)
        raise SourceError(f"{path} {'has a header but' if fmt.header else 'has'} no rows; remove it or send it again")
    if rest:
        yield Chunk(rows=pl.DataFrame(schema={**dict.fromkeys(called, pl.String), ROW: pl.UInt32}), ragged=rest)


def _ragged(path: Path, lines: list[tuple[int, str]], passed: int, fmt: Format) -> list[tuple[int, str]]:
    """Row numbers and texts of lines with too few or too many cells."""
    for number, text in lines:
        if fmt.quote and "\n" in text and (text.count(fmt.quote) % 2 or text.count("\n") > MAX_CELL_LINES):
            raise _swallowed(path, number - passed, text.count("\n"), fmt)
    return [(number - passed, restored(escaped_bytes(text), fmt)) for number, text in lines]


def _restored(name: str, fmt: Format) -> pl.Expr:
    """As `restored`, of a column of texts."""
    return pl.col(name).str.replace_all(SEPARATOR, fmt.delimiter, literal=True).str.replace_all(OWN, SEPARATOR, literal=True)


def _columns_with(texts: tuple[str, ...], batches: list[pa.RecordBatch]) -> list[list[str]]:
    """For each of `texts` the columns whose cells may hold it: a search through bytes, far cheaper than cell by cell."""
    found: list[list[str]] = [[] for _ in texts]
    for i, name in enumerate(batches[0].schema.names):
        buffers = (getattr(batch.column(i), "dictionary", batch.column(i)).buffers()[2] for batch in batches)
        pieces = [buffer.to_pybytes() for buffer in buffers if buffer is not None]
        for names, text in zip(found, texts, strict=True):
            if any(text.encode() in piece for piece in pieces):
                names.append(name)
    return found


def _refuse_swallowed(path: Path, rows: pl.DataFrame, columns: list[str], fmt: Format) -> None:
    """Raise SourceError if a cell holds many lines: rows hide in it."""
    for name in columns:
        cells = rows[name]
        lines = cells.str.count_matches("\n", literal=True)
        worst = lines.arg_max()
        if worst is not None and lines[worst] > MAX_CELL_LINES:
            raise _swallowed(path, rows[ROW][worst], cells[worst].rstrip("\n").count("\n"), fmt)


def _swallowed(path: Path, row: int, lines: int, fmt: Format) -> SourceError:
    over = f"runs over {lines + 1} lines, so a quote is probably never closed" if lines else "opens a quote that is never closed"
    return SourceError(f"{path}: row {row} {over}; correct it, or set {fmt.where}.quote: null if quotes have no meaning")


def _row_numbers(first: int, count: int, skipped: np.ndarray) -> tuple[np.ndarray, int]:
    """Numbers of `count` rows from `first` on, leaving out the skipped ones; and how many of those were passed."""
    candidates = np.arange(first, first + count + len(skipped))
    numbers = candidates[~np.isin(candidates, skipped)][:count]
    return numbers, int(np.searchsorted(skipped, numbers[-1])) if count else 0


def _undecoded(rows: pl.DataFrame, columns: list[str]) -> tuple[pl.DataFrame, list[tuple[int, str, str]]]:
    """The rows with undecodable cells null, and a list of those cells."""
    found: list[tuple[int, str, str]] = []
    for name in columns:
        broken = rows[name].str.contains(MARK, literal=True)
        cells = rows.filter(broken).select(ROW, name).rows()
        found += [(row, name, escaped_bytes(text)) for row, text in cells]
        rows = rows.with_columns(pl.when(~broken).then(pl.col(name)).alias(name))
    return rows, found
