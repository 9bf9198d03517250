"""Lines before the header of a text file, which are no part of the table: how many there are."""

import re
from dataclasses import replace

from contracts.dataset.source import Format, SourceError
from contracts.tables.compression import opened
from contracts.tables.decoding import Utf8Stream
from contracts.tables.header import SHOWN_NAMES, Header, cells_of

MAX_LINES = 200  # from the beginning of a file, among which its header is looked for
START_BYTES = 1 << 18  # that hold them


def with_lines_counted(header: Header, fmt: Format) -> Format:
    """The format with the number of lines to skip in this file. Raises SourceError if no line is the header."""
    if fmt.skip_lines != "to_header":
        return fmt
    lines = lines_before_header(header, fmt)
    if lines is None:
        needed = ", ".join(_needed(header)[:SHOWN_NAMES])
        raise SourceError(
            f"{header.path}: none of the first {MAX_LINES} lines is the header, which {fmt.where}.skip_lines: to_header looks "
            f"for: it names {needed}; correct columns, or the delimiter, or write a number of lines"
        )
    return replace(fmt, skip_lines=lines)


def lines_before_header(header: Header, fmt: Format) -> int | None:
    """How many lines come before the first that has all the names that are needed; None if it is not near the beginning."""
    stream = Utf8Stream(opened(header.path), fmt.encoding)
    text = stream.read(START_BYTES).decode(errors="replace").removeprefix("\ufeff")
    needed = set(_needed(header))
    for number, line in enumerate(re.split("\r\n|\r|\n", text)[:MAX_LINES]):
        cells = cells_of(line, fmt)
        if needed and needed <= {cell.strip() if fmt.strip else cell for cell in cells}:
            return number
    return None


def refuse_other_line(header: Header, names: list[str], fmt: Format) -> None:
    """Raise SourceError if another line than the one with `names`, which was taken for it, is the header."""
    lines = None if set(_needed(header)) <= set(names) else lines_before_header(header, fmt)
    if lines is not None and lines > fmt.skip_lines:
        raise SourceError(
            f"{header.path}: its header is line {lines + 1}; set {fmt.where}.skip_lines: {lines}, or to_header where this "
            "differs from file to file"
        )


def _needed(header: Header) -> list[str]:
    """The names that a file cannot do without, as it calls them."""
    by_new = {new: old for old, new in header.rename.items()}
    return [by_new.get(name, name) for name in header.expected if name not in header.optional]
