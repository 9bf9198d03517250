"""Lines before the header of a text file, which are no part of the table: how many there are."""

import re
from dataclasses import replace

from contracts.dataset.source import Format, SourceError
from contracts.tables.text.decoding import Utf8Stream
from contracts.tables.text.header import SHOWN_NAMES, Header, cells_of

MAX_LINES = 200  # from the beginning of a file, among which its header is looked for
START_BYTES = 1 << 18  # that hold them


def with_lines_counted(header: Header, stream: Utf8Stream, fmt: Format) -> Format:
    """The format with the number of lines to skip in this file, whose text `stream` begins with; nothing of it is taken.

    Raises SourceError if no line is the header.
    """
    if fmt.skip_lines != "to_header":
        return fmt
    lines, found = _most_named_line(header, stream, fmt)
    needed = _needed(header)
    if 2 * found < len(needed):  # with more of them it is the header, and what it lacks is said when it is read
        named = ", ".join(_as_in_file(header, needed)[:SHOWN_NAMES])
        raise SourceError(
            f"{header.path}: none of the first {MAX_LINES} lines is the header, which {fmt.where}.skip_lines: to_header looks "
            f"for: it names {named}; correct columns, or the delimiter, or write a number of lines"
        )
    return replace(fmt, skip_lines=lines)


def _most_named_line(header: Header, stream: Utf8Stream, fmt: Format) -> tuple[int, int]:
    """Of the lines near the beginning the first with the most of the needed names: its place, from 0, and their number."""
    text = stream.peek(START_BYTES).decode(errors="replace").removeprefix("\ufeff")
    needed, best = set(_needed(header)), (0, 0)
    for number, line in enumerate(re.split("\r\n|\r|\n", text)[:MAX_LINES]):
        found = len(needed.intersection(header.called([cell.strip() if fmt.strip else cell for cell in cells_of(line, fmt)])))
        if found > best[1]:
            best = (number, found)
    return best


def refuse_other_line(header: Header, names: list[str], stream: Utf8Stream, fmt: Format) -> None:
    """Raise SourceError if another line than the one with `names`, which was taken for it, is the header."""
    needed = set(_needed(header))
    if needed <= set(header.called(names)):
        return
    lines, found = _most_named_line(header, stream, fmt)
    if found == len(needed) and lines > fmt.num_skipped:
        raise SourceError(
            f"{header.path}: its header is line {lines + 1}; set {fmt.where}.skip_lines: {lines}, or to_header where this "
            "differs from file to file"
        )


def _needed(header: Header) -> list[str]:
    """The columns that a file cannot do without."""
    return [name for name in header.expected if name not in header.optional]


def _as_in_file(header: Header, names: list[str]) -> list[str]:
    by_new = {new: old for old, new in header.rename.items()}
    return [by_new.get(name, name) for name in names]
