"""JSON lines, plain or compressed: an object a line, in chunks of bounded size. A row's number is that of its line.

Cells are texts: a number's digits as they are written, so that none is lost, and `true` and `false`. What has no value, or is
null, is missing.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path, PurePath
from typing import Any

import polars as pl

from contracts.dataset.source import Format, SourceError
from contracts.tables.chunk import ROW, Chunk
from contracts.tables.text.archive import opened
from contracts.tables.text.compression import NAMES, unpacked
from contracts.tables.text.decoding import MARK, Utf8Stream, escaped_bytes
from contracts.tables.text.header import Header, check_header
from contracts.tables.text.magic import check_magic

SUFFIXES = (".jsonl", ".ndjson")
CHUNK_ROWS = 1 << 15
LONGEST_LINE = 1 << 24  # bytes
PIECE_BYTES = 1 << 20
HALF_A_CHARACTER = re.compile(r"\\u[dD][89a-fA-F]")  # may be one alone, which no text can hold


class NoObject(ValueError):
    """A line is no JSON object whose names are all different."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise NoObject("a name twice")
    return found


OBJECTS = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str, object_pairs_hook=_once)


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
        while piece := list(islice(lines, CHUNK_ROWS)):
            records = _Records.of(piece)
            seen |= dict.fromkeys(name for record in records.objects for name in record)
            check_header(replace(header, optional=header.optional | {*header.expected}), list(seen), None)
            num_rows, first_bad = num_rows + len(records.objects), first_bad or next(iter(records.bad), None)
            yield _chunk(records, columns, header)
    if not num_rows:
        raise _no_objects(header.path, first_bad)
    check_header(header, list(seen), None)


def parsed_object(line: str) -> dict[str, Any]:
    """The object of a line, numbers as they are written. Raises NoObject."""
    try:
        found = OBJECTS.decode(line)
        if HALF_A_CHARACTER.search(line):
            json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise NoObject(str(error)) from None
    if not isinstance(found, dict):
        raise NoObject("no object")
    return found


def cell_text(value: Any) -> str | None:
    """What a cell without other cells in it says, None where it is missing. Raises NoObject for lists and objects."""
    if isinstance(value, dict | list):
        raise NoObject("a list or an object")
    return value if value is None or isinstance(value, str) else "true" if value else "false"


@dataclass
class _Records:
    """Lines as objects, and those that are none."""

    objects: list[dict[str, Any]] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    bad: list[tuple[int, str]] = field(default_factory=list)  # line number and text

    @classmethod
    def of(cls, lines: list[tuple[int, str]]) -> "_Records":
        records = cls()
        for number, line in lines:
            try:
                records.objects.append(parsed_object(line))
                records.numbers.append(number)
            except NoObject:
                records.bad.append((number, escaped_bytes(line)))
        return records


def _chunk(records: _Records, columns: list[str], header: Header) -> Chunk:
    chunk = Chunk(rows=pl.DataFrame({ROW: pl.Series(records.numbers, dtype=pl.UInt32)}), ragged=records.bad, line_rule="json")
    old = {new: old for old, new in header.rename.items()}
    cells = []
    for name in columns:
        found = [record.get(old.get(name, name)) for record in records.objects]
        if name in old and name not in header.rename:  # a file that has the new name already
            found = [record.get(name) if value is None else value for record, value in zip(records.objects, found, strict=True)]
        cells.append(_cells(name, found, records.numbers, chunk))
    chunk.rows = chunk.rows.with_columns(cells)
    return chunk


def _cells(name: str, values: list[Any], numbers: list[int], chunk: Chunk) -> pl.Series:
    """The column; cells that cannot be in it are missing there, and in `chunk.nested` or `chunk.undecoded`."""
    for place, value in enumerate(values):
        if value is None or type(value) is str:
            continue
        try:
            values[place] = cell_text(value)
        except NoObject:
            values[place] = None
            chunk.nested.append((numbers[place], name, json.dumps(value, ensure_ascii=False)))
    for place in pl.Series(values, dtype=pl.String).str.contains(MARK, literal=True).fill_null(False).arg_true():
        chunk.undecoded.append((numbers[place], name, escaped_bytes(values[place])))
        values[place] = None
    return pl.Series(name, values, dtype=pl.String)


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
        while piece := list(islice(lines, CHUNK_ROWS)):
            names |= dict.fromkeys(name for record in _Records.of(piece).objects for name in record)
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
