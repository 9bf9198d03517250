"""Does a file have the columns that the declaration says, and advice in one sentence where it does not."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from contracts.dataset.source import Format, SourceError
from contracts.tables.text.separator import restored, separated

DELIMITERS = ("::", "\t", ";", "|", ",")
SHOWN_NAMES = 12  # of a file's columns that a message lists
IN_FOLDER = (
    "and so has a folder in its path (folder in the declaration); take folder away, or give that column another name and leave "
    "the file's out"
)


@dataclass(frozen=True)
class Header:
    """The columns a file is to have, by the names that the declaration gives them."""

    path: Path
    expected: tuple[str, ...]
    optional: frozenset[str] = frozenset()  # of these which may be absent
    joined: frozenset[str] = frozenset()  # brought by side tables
    in_folders: frozenset[str] = frozenset()  # whose values the names of folders say
    rename: Mapping[str, str] = field(default_factory=dict)  # what the file calls a column: what it is called here
    any: bool = False  # every name is taken
    fewer: tuple[tuple[str, ...], ...] = ()  # where files have no header: names of fewer columns that a file may have instead

    def called(self, names: list[str]) -> list[str]:
        """What the file's columns are called here."""
        return [self.rename.get(name, name) for name in names]


def check_header(header: Header, names: list[str], fmt: Format | None) -> list[str]:
    """What the columns of a file are called here, in its order; `fmt` is how a text file is written.

    Raises SourceError unless they are the expected ones, in any order; optional ones may be absent.
    """
    path, optional, called = header.path, header.optional, header.called(names)
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise SourceError(f"{path} has column '{twice}' twice; give each column its own name")
    twofold = next(((old, new) for old, new in header.rename.items() if old in names and called.count(new) > 1), None)
    if twofold is not None:
        old, new = twofold
        raise SourceError(f"{path} has {old!r} and {new!r}, and source.rename calls the first as the second; choose another name")
    if header.any:
        return called
    missing = [name for name in header.expected if name not in called and name not in optional]
    extra = [name for name in called if name not in header.expected and name not in optional]
    if fmt is not None and len(names) == 1 and missing and len(header.expected) > 1:
        raise SourceError(
            f"{path} has one column when split at {fmt.delimiter!r}, expected {len(header.expected)}; "
            f"{delimiter_advice(names[0], fmt)}"
        )
    if missing:
        was = next((old for old, new in header.rename.items() if new == missing[0]), None)
        lacks = f"the declared column {missing[0]!r}" if was is None else f"{was!r}, which source.rename calls {missing[0]!r}"
        sides = f", and the side tables bring {', '.join(sorted(header.joined))}" if header.joined else ""
        renamed = f"; if {extra[0]!r} is that column, say so in source.rename" if was is None and extra else ""
        raise SourceError(f"{path} lacks {lacks}{_others(missing)}; it has {_listed(names, fmt)}{sides}{renamed}")
    said_twice = next((name for name in extra if name in header.in_folders), None)
    if said_twice is not None:
        raise SourceError(f"{path} has the column {said_twice!r}, {IN_FOLDER}")
    brought = next((name for name in extra if name in header.joined), None)
    if brought is not None:
        raise SourceError(
            f"{path} has the column {brought!r}, and so has a side table; "
            "put it in the join's leave_out, or give it another name with the join's rename"
        )
    if extra:
        raise SourceError(
            f"{path} has the column {extra[0]!r}{_others(extra)} that is not declared; "
            "add it to columns or to leave_out with the reason"
        )
    return called


def _listed(names: list[str], fmt: Format | None) -> str:
    """The names; in quotes, with advice, where one has blanks around it."""
    shown, more = names[:SHOWN_NAMES], ", ..." if len(names) > SHOWN_NAMES else ""
    if all(name == name.strip() for name in names):
        return ", ".join(shown) + more
    advice = "" if fmt is None else f"; blanks around names and cells go with {fmt.where}.strip: true"
    return ", ".join(map(repr, shown)) + more + advice


def no_row_fits(header: Header, line: str, names: list[str], fmt: Format) -> SourceError:
    """The error for a file none of whose rows has as many cells as there are columns; `line` is the first."""
    path, cells, num_columns = header.path, cells_of(line, fmt), len(names)
    if len(cells) == 1 and num_columns > 1:
        return SourceError(
            f"{path} has one column when split at {fmt.delimiter!r}, expected {num_columns}; {delimiter_advice(line, fmt)}"
        )
    if fmt.header and len(cells) == num_columns + 1:
        renamed = "; these are the new names of source.rename, which has to go then" if header.rename else ""
        return SourceError(
            f"{path}: the rows have one cell more than the header has names ({num_columns}); {_named(names, cells, fmt)}{renamed}"
        )
    where = (
        "the header"
        if fmt.header
        else f"the declaration (columns and leave_out, or {fmt.where}.names; to score, all but the label will do, and all but "
        "the label and what is left out)"
    )
    return SourceError(f"{path}: no row has the {num_columns} columns of {where}; the first has {len(cells)}")


def cells_of(line: str, fmt: Format) -> list[str]:
    """The cells of a row that holds no line break."""
    quoting = {"quoting": csv.QUOTE_NONE} if fmt.quote is None else {"quotechar": fmt.quote}
    line = separated(line, fmt)
    try:
        cells = next(csv.reader([line], delimiter=fmt.separator, escapechar=fmt.escape, **quoting), [line])
    except csv.Error:  # a cell of more than 128 KiB, a lone carriage return
        cells = line.split(fmt.separator)
    return [restored(cell, fmt) for cell in cells]


def _named(names: list[str], cells: list[str], fmt: Format) -> str:
    """How to name the column that a header leaves out: the first, as R writes rows' names, or an empty last one."""
    at_end = cells[-1] == "" and cells[0] != ""
    own = names if len(names) <= SHOWN_NAMES else ["the header's names"]
    every = [*own, "nothing"] if at_end else ["row", *own]
    why = "the rows end in a delimiter" if at_end else "R writes the rows' names so, in front"
    return (
        f"if {why}, set {fmt.where}: {{header: false, skip_lines: {fmt.num_skipped + 1}, "
        f"names: [{', '.join(every)}]}} and put '{every[-1 if at_end else 0]}' in leave_out"
    )


def delimiter_advice(line: str, fmt: Format) -> str:
    other = next((d for d in DELIMITERS if d != fmt.delimiter and d in line), None)
    if other is None:
        return "is the delimiter right?"
    return f"it seems to be separated by {other!r}; set {fmt.where}.delimiter"


def _others(names: list[str]) -> str:
    return f" (and {len(names) - 1} more)" if len(names) > 1 else ""
