"""JSON lines, plain or compressed: an object a line, in chunks of bounded size. A row's number is that of its line.

Cells are texts: a number's digits as they are written, so that none is lost, and `true` and `false`. What has no value, or is
null, is missing.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from operator import itemgetter
from pathlib import Path, PurePath
from typing import Any, Self

import numpy as np
import polars as pl
import pyarrow as pa

from contracts.dataset.source import Format, SourceError
from contracts.tables.chunk import ROW, Chunk, chunk_of
from contracts.tables.text.archive import opened
from contracts.tables.text.compression import NAMES, unpacked
from contracts.tables.text.decoding import MARK, Utf8Stream, escaped_bytes
from contracts.tables.text.header import Header, check_header
from contracts.tables.text.json_object import NoObject, cell_text, parsed_object
from contracts.tables.text.magic import check_magic
from contracts.tables.text.plain_lines import PlainLines, plain_lines

SUFFIXES = (".jsonl", ".ndjson")
CHUNK_ROWS = 1 << 17  # rows in a chunk, at least: work done once a chunk is spread over these
PIECE_ROWS = 1 << 15  # lines that are read at a time
LONGEST_LINE = 1 << 24  # bytes
PIECE_BYTES = 1 << 20


def is_json_lines(path: Path) -> bool:
    """By its name, also where it is compressed."""
    name = PurePath(path.name.lower())
    return (name.with_suffix("") if name.suffix in NAMES else name).suffix in SUFFIXES


def read_json_lines(header: Header, fmt: Format) -> Iterator[Chunk]:
    """Chunks of the file with all expected columns, or with all that it has where the header takes any.

    Raises SourceError if it is empty, has a column that it is not to have, or lacks one in every line.
    """
    _refuse_marks(header.path, fmt)
    names = _all_names(header.path, fmt) if header.any else header.expected
    columns = header.called(list(names)) if header.any else list(names)
    seen, num_rows, first_bad = dict.fromkeys(names if header.any else ()), 0, None
    with _lines(header.path, fmt) as lines:
        waiting: list[_Rows] = []
        while piece := list(islice(lines, PIECE_ROWS)):
            records = _Records.of(piece)
            seen |= records.names()
            check_header(replace(header, optional=header.optional | {*header.expected}), list(seen), None)
            num_rows, first_bad = num_rows + len(records), first_bad or next(iter(records.bad), None)
            waiting.append(_rows(records, columns, header))
            if sum(map(len, waiting)) >= CHUNK_ROWS:
                yield _chunk(waiting)
                waiting = []
        if waiting:
            yield _chunk(waiting)
    if not num_rows:
        raise _no_objects(header.path, first_bad)
    check_header(header, list(seen), None)


@dataclass(kw_only=True)
class _Records:
    """Lines as objects, many at once where they are plain, and those that are none."""

    plain: list[PlainLines]
    plain_numbers: list[np.ndarray]  # of the lines of each
    objects: list[dict[str, Any]] = field(default_factory=list)  # of all other lines
    numbers: list[int] = field(default_factory=list)
    bad: list[tuple[int, str]] = field(default_factory=list)  # line number and text

    @classmethod
    def of(cls, lines: list[tuple[int, str]]) -> Self:
        plain, others = plain_lines([text for _, text in lines])
        numbers = np.array([number for number, _ in lines], dtype=np.uint32)
        records = cls(plain=plain, plain_numbers=[numbers[part.places] for part in plain])
        for number, line in (lines[place] for place in others):
            try:
                records.objects.append(parsed_object(line))
                records.numbers.append(number)
            except NoObject:
                records.bad.append((number, escaped_bytes(line)))
        return records

    def __len__(self) -> int:
        return len(self.objects) + sum(map(len, self.plain_numbers))

    def names(self) -> dict[str, None]:
        """All names, in the order in which they come first."""
        first = [(numbers[0], list(part.columns)) for part, numbers in zip(self.plain, self.plain_numbers, strict=True)]
        first += [(number, list(record)) for number, record in zip(self.numbers, self.objects, strict=True)]
        return dict.fromkeys(name for _, names in sorted(first, key=itemgetter(0)) for name in names)


@dataclass(frozen=True, kw_only=True)
class _Rows:
    """Lines as cells of columns, and what is none."""

    table: pa.Table  # of large strings or dictionaries of such, with ROW
    bad: list[tuple[int, str]]
    nested: list[tuple[int, str, str]]
    undecoded: list[tuple[int, str, str]]

    def __len__(self) -> int:
        return len(self.table) + len(self.bad)


def _rows(records: _Records, columns: list[str], header: Header) -> _Rows:
    old = {new: old for old, new in header.rename.items()}
    numbers = np.concatenate([*records.plain_numbers, np.array(records.numbers, dtype=np.uint32)])
    order = None if len(records.plain_numbers) + bool(records.numbers) < 2 else pa.array(np.argsort(numbers))
    rows = _Rows(table=pa.table({ROW: numbers if order is None else np.sort(numbers)}), bad=records.bad, nested=[], undecoded=[])
    arrays = []
    for name in columns:
        names = [old.get(name, name)]
        names += [name] if name in old and name not in header.rename else []  # a file that has the new name already
        parts = [
            next((part.columns[one] for one in names if one in part.columns), pa.nulls(len(part.places), pa.large_string()))
            for part in records.plain
        ]
        found = [next((record[one] for one in names if record.get(one) is not None), None) for record in records.objects]
        arrays.append(_in_order([*parts, _cells(name, found, records.numbers, rows)], order))
    return replace(rows, table=pa.table([*arrays, *rows.table.columns], [*columns, ROW]))


def _in_order(parts: list[pa.Array], order: pa.Array | None) -> pa.Array:
    """The parts' cells together, a dictionary where one of them is."""
    parts = [part for part in parts if len(part)] or parts[:1]
    if any(pa.types.is_dictionary(part.type) for part in parts):
        parts = [part if pa.types.is_dictionary(part.type) else part.dictionary_encode() for part in parts]
    whole = pa.chunked_array(parts).unify_dictionaries().combine_chunks()
    return whole if order is None else whole.take(order)


def _chunk(pieces: list[_Rows]) -> Chunk:
    """The pieces' rows; a column is one of distinct values where it is in all of them."""
    tables = []
    for table in (piece.table for piece in pieces):
        for i, field_ in enumerate(table.schema):
            is_spelled_out = any(not pa.types.is_dictionary(piece.table.schema.field(i).type) for piece in pieces)
            if pa.types.is_dictionary(field_.type) and is_spelled_out:
                table = table.set_column(i, field_.name, table.column(i).cast(pa.large_string()))
        tables.append(table)
    return replace(
        chunk_of(pa.concat_tables(tables)),
        ragged=[line for piece in pieces for line in piece.bad],
        nested=[cell for piece in pieces for cell in piece.nested],
        undecoded=[cell for piece in pieces for cell in piece.undecoded],
        line_rule="json",
    )


def _cells(name: str, values: list[Any], numbers: list[int], rows: _Rows) -> pa.Array:
    """The column; cells that cannot be in it are missing there, and in `rows.nested` or `rows.undecoded`."""
    for place, value in enumerate(values):
        if value is None or type(value) is str:
            continue
        try:
            values[place] = cell_text(value)
        except NoObject:
            values[place] = None
            rows.nested.append((numbers[place], name, json.dumps(value, ensure_ascii=False)))
    for place in pl.Series(values, dtype=pl.String).str.contains(MARK, literal=True).fill_null(False).arg_true():
        rows.undecoded.append((numbers[place], name, escaped_bytes(values[place])))
        values[place] = None
    return pa.array(values, pa.large_string())


@contextmanager
def _lines(path: Path, fmt: Format) -> Iterator[Iterator[tuple[int, str]]]:
    """Number and text of each line that is not blank, until the context ends."""
    with opened(path) as file:
        start, rest = unpacked(path, file)
        check_magic(path, start, fmt)
        yield _numbered(path, Utf8Stream(rest, fmt.encoding, start))


def _numbered(path: Path, stream: Utf8Stream) -> Iterator[tuple[int, str]]:
    number, cut = 0, b""
    while piece := stream.read(PIECE_BYTES):
        *whole, cut = (cut + piece).split(b"\n")
        for line in whole:
            number += 1
            if text := line.decode().removeprefix("\ufeff").strip():
                yield number, text
        if len(cut) > LONGEST_LINE:
            raise SourceError(
                f"{path}: line {number + 1} is longer than {LONGEST_LINE >> 20} MiB; JSON lines have an object a line"
            )
    if text := cut.decode().removeprefix("\ufeff").strip():
        yield number + 1, text


def _all_names(path: Path, fmt: Format) -> tuple[str, ...]:
    with _lines(path, fmt) as lines:
        names: dict[str, None] = {}
        while piece := list(islice(lines, PIECE_ROWS)):
            names |= _Records.of(piece).names()
        return tuple(names)


def _refuse_marks(path: Path, fmt: Format) -> None:
    if fmt.decimal != "." or fmt.thousands is not None:
        raise SourceError(
            f"{path} holds JSON lines, whose numbers have a decimal point and no thousands mark, and {fmt.where} says otherwise; "
            "leave decimal and thousands out"
        )


def _no_objects(path: Path, first: tuple[int, str] | None) -> SourceError:
    if first is None:
        return SourceError(f"{path} has no rows; remove it or send it again")
    what = (
        "is one JSON array" if first[1].startswith("[") else f"has no line that is a JSON object; line {first[0]} is no whole one"
    )
    return SourceError(f"{path} {what}; JSON lines have an object a line: {{...}}")
