"""A text file on its way to the reader: opened once, unpacked once and decoded once. What its first bytes, its lines before the
header, its header and its first rows say is found at the beginning of one stream, of which nothing is lost.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pyarrow as pa

from contracts.dataset.source import Format, SourceError
from contracts.tables.chunk import repeating
from contracts.tables.text.archive import opened
from contracts.tables.text.compression import unpacked
from contracts.tables.text.csv_reader import csv_reader
from contracts.tables.text.decoding import MARK, Utf8Stream, escaped_bytes
from contracts.tables.text.header import Header, check_header
from contracts.tables.text.magic import check_magic
from contracts.tables.text.preamble import refuse_other_line, with_lines_counted
from contracts.tables.text.separator import restored

SAMPLE_BYTES = 1 << 20  # whole rows of so much text from the beginning of a file tell its columns


@dataclass(frozen=True, kw_only=True)
class TextFile:
    """An open text file that has the columns it is to have."""

    header: Header
    fmt: Format  # with the number of lines to skip in this file
    names: list[str]  # of the columns, as the file calls them and in its order
    called: list[str]  # what the same are called here
    repeated: frozenset[str]  # of `names` those whose values repeat themselves at the beginning
    stream: Utf8Stream  # all of the text, from its first byte on

    @property
    def path(self) -> Path:
        return self.header.path

    @classmethod
    @contextmanager
    def opened(cls, header: Header, fmt: Format) -> Iterator[Self]:
        """The file, open until the context ends.

        Raises SourceError if it is empty or no text, or has not the expected columns; errors of decoding and parsing as they
        come.
        """
        path = header.path
        with opened(path) as file:
            start, rest = unpacked(path, file)
            check_magic(path, start, fmt)
            stream = Utf8Stream(rest, fmt.encoding, start, fmt.delimiter)
            fmt = with_lines_counted(header, stream, fmt)
            names, repeated = _columns(header, stream, fmt)
            called = _called(header, names, stream, fmt)
            try:
                yield cls(header=header, fmt=fmt, names=names, called=called, repeated=repeated, stream=stream)
            finally:
                stream.give_up()


def _columns(header: Header, stream: Utf8Stream, fmt: Format) -> tuple[list[str], frozenset[str]]:
    """Names of the file's columns, and of those that repeat themselves at its beginning."""
    sample = stream.peek(2 * SAMPLE_BYTES + 1)  # the first block is cut after a whole row only where others follow
    given = None if fmt.header else _names_by_number(header, sample, fmt)
    with csv_reader(pa.BufferReader(sample), fmt, given, SAMPLE_BYTES) as reader:
        first = next(iter(reader), None)
        return reader.schema.names, repeating(first) if first else frozenset()


def _names_by_number(header: Header, sample: bytes, fmt: Format) -> list[str]:
    """Of the names that a file without a header may have, the first that are as many as its first record has cells."""
    names = header.expected
    if header.fewer:
        with csv_reader(pa.BufferReader(sample), fmt, None, SAMPLE_BYTES) as reader:
            num_cells = len(reader.schema.names)
        names = next((taken for taken in (names, *header.fewer) if len(taken) == num_cells), names)
    if len(names) < len(header.expected):  # by their number alone: another column may be the one that is not there
        said = "%s has no header; its %d columns are taken for %s"
        logging.getLogger(__name__).warning(said, header.path, len(names), ", ".join(names))
    return list(names)


def _called(header: Header, names: list[str], stream: Utf8Stream, fmt: Format) -> list[str]:
    """What the columns are called here. Raises SourceError if they are not the expected ones."""
    names = [restored(name, fmt) for name in names]
    stripped = [name.strip() for name in names] if fmt.strip else names
    if not fmt.header:
        return stripped
    if any(MARK in name for name in names):
        shown = escaped_bytes(", ".join(names))
        raise SourceError(f"{header.path}: the header is not {fmt.encoding} ({shown}); set {fmt.where}.encoding")
    refuse_other_line(header, stripped, stream, fmt)
    return check_header(header, stripped, fmt)
