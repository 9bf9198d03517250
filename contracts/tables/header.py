"""Is this file what the declaration says: its first bytes, its header, and advice in one sentence where it is not."""

import codecs
import csv
from pathlib import Path

from contracts.dataset.source import Format, SourceError
from contracts.tables.compression import NAMES, compression, read_start

MAGIC = {  # first bytes of what is no delimited text
    b"PK\x03\x04": "is a zip archive (or an Excel file); unpack it to delimited text",
    b"PAR1": "is a Parquet file; give it the suffix .parquet",
    b"7z\xbc\xaf\x27\x1c": "is a 7z archive; unpack it to delimited text",
    b"Rar!\x1a\x07": "is a RAR archive; unpack it to delimited text",
    b"\x1f\x9d": "is packed by compress (.Z); unpack it, or compress it with gzip",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "is an old Excel (or Office) file; save it as CSV",
    b"ARROW1": "is an Arrow (Feather) file; save it as Parquet or CSV",
    b"Obj\x01": "is an Avro file; save it as Parquet or CSV",
    b"SQLite format 3\0": "is an SQLite database; save the table as Parquet or CSV",
}
TAR = slice(257, 262)  # where a tar archive says "ustar"
BYTE_ORDER_MARKS = {  # the longer ones first: that of UTF-32 begins as that of UTF-16
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
DELIMITERS = ("\t", ";", "|", ",")
SHOWN_NAMES = 12  # of a file's columns that a message lists


def check_magic(path: Path, fmt: Format) -> None:
    """Raise SourceError if `path`, to be read as text, is empty or something else by its first bytes."""
    start = read_start(path)
    unpacked = ", unpacked," if path.suffix.lower() in NAMES else ""
    for magic, advice in MAGIC.items():
        if start.startswith(magic):
            raise SourceError(f"{path}{unpacked} {advice}")
    if start[TAR] == b"ustar":
        raise SourceError(f"{path}{unpacked} is a tar archive; unpack it to files of delimited text")
    if unpacked and (inner := compression(start)) is not None:
        raise SourceError(f"{path}, unpacked, is compressed with {NAMES[inner]} once more; unpack it once")
    start = start[:4]
    codec = codecs.lookup(fmt.encoding).name
    marked = next((encoding for mark, encoding in BYTE_ORDER_MARKS.items() if start.startswith(mark)), None)
    if marked is not None and not codec.startswith(marked):
        raise SourceError(
            f"{path} begins with the byte order mark of {marked}, declared is {fmt.encoding}; set {fmt.where}.encoding: {marked}"
        )
    if b"\0" in start and not codec.startswith(("utf-16", "utf-32")):
        wide = "utf-16" if start.count(b"\0") <= 2 else "utf-32"
        raise SourceError(
            f"{path} begins with zero bytes, as {wide.upper()} does; set {fmt.where}.encoding: {wide}-le or {wide}-be"
        )


def check_header(
    path: Path,
    names: list[str],
    expected: tuple[str, ...],
    optional: frozenset[str],
    fmt: Format | None,
    joined: frozenset[str] = frozenset(),
) -> None:
    """Raise SourceError unless `names` are the expected columns, in any order; optional ones may be absent.

    `joined` ones are brought by side tables.
    """
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise SourceError(f"{path} has column '{twice}' twice; give each column its own name")
    missing = [name for name in expected if name not in names and name not in optional]
    if fmt is not None and len(names) == 1 and len(expected) > 1:
        raise SourceError(
            f"{path} has one column when split at {fmt.delimiter!r}, expected {len(expected)}; {delimiter_advice(names[0], fmt)}"
        )
    if missing:
        sides = f", and the side tables bring {', '.join(sorted(joined))}" if joined else ""
        raise SourceError(
            f"{path} lacks the declared column {missing[0]!r}{_others(missing)}; it has {_listed(names, fmt)}{sides}"
        )
    extra = [name for name in names if name not in expected and name not in optional]
    twofold = next((name for name in extra if name in joined), None)
    if twofold is not None:
        raise SourceError(
            f"{path} has the column {twofold!r}, and so has a side table; "
            "put it in the join's leave_out, or give it another name with the join's rename"
        )
    if extra:
        raise SourceError(
            f"{path} has the column {extra[0]!r}{_others(extra)} that is not declared; "
            "add it to columns or to leave_out with the reason"
        )


def _listed(names: list[str], fmt: Format | None) -> str:
    """The names; in quotes, with advice, where one has blanks around it."""
    shown, more = names[:SHOWN_NAMES], ", ..." if len(names) > SHOWN_NAMES else ""
    if all(name == name.strip() for name in names):
        return ", ".join(shown) + more
    advice = "" if fmt is None else f"; blanks around names and cells go with {fmt.where}.strip: true"
    return ", ".join(map(repr, shown)) + more + advice


def no_row_fits(path: Path, line: str, names: list[str], fmt: Format) -> SourceError:
    """The error for a file none of whose rows has as many cells as there are columns; `line` is the first."""
    cells, num_columns = _cells(line, fmt), len(names)
    if len(cells) == 1 and num_columns > 1:
        return SourceError(
            f"{path} has one column when split at {fmt.delimiter!r}, expected {num_columns}; {delimiter_advice(line, fmt)}"
        )
    if fmt.header and len(cells) == num_columns + 1:
        return SourceError(
            f"{path}: the rows have one cell more than the header has names ({num_columns}); {_named(names, cells, fmt)}"
        )
    where = (
        "the header"
        if fmt.header
        else f"the declaration (columns and leave_out, or {fmt.where}.names; to score, all but the label will do, and all but "
        "the label and what is left out)"
    )
    return SourceError(f"{path}: no row has the {num_columns} columns of {where}; the first has {len(cells)}")


def _cells(line: str, fmt: Format) -> list[str]:
    """The cells of a row that holds no line break."""
    quoting = {"quoting": csv.QUOTE_NONE} if fmt.quote is None else {"quotechar": fmt.quote}
    try:
        return next(csv.reader([line], delimiter=fmt.delimiter, escapechar=fmt.escape, **quoting), [line])
    except csv.Error:  # a cell of more than 128 KiB, a lone carriage return
        return line.split(fmt.delimiter)


def _named(names: list[str], cells: list[str], fmt: Format) -> str:
    """How to name the column that a header leaves out: the first, as R writes rows' names, or an empty last one."""
    at_end = cells[-1] == "" and cells[0] != ""
    own = names if len(names) <= SHOWN_NAMES else ["the header's names"]
    every = [*own, "nothing"] if at_end else ["row", *own]
    why = "the rows end in a delimiter" if at_end else "R writes the rows' names so, in front"
    return (
        f"if {why}, set {fmt.where}: {{header: false, skip_lines: {fmt.skip_lines + 1}, "
        f"names: [{', '.join(every)}]}} and put '{every[-1 if at_end else 0]}' in leave_out"
    )


def delimiter_advice(line: str, fmt: Format) -> str:
    other = next((d for d in DELIMITERS if d != fmt.delimiter and d in line), None)
    if other is None:
        return "is the delimiter right?"
    return f"it seems to be separated by {other!r}; set {fmt.where}.delimiter"


def _others(names: list[str]) -> str:
    return f" (and {len(names) - 1} more)" if len(names) > 1 else ""
