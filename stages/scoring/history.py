"""What is counted so far of rows that are to be scored: as their files say it, or else over the rows that the pipeline has."""

import sys
from itertools import islice
from pathlib import Path

from contracts.dataset.declaration import Declaration
from contracts.dataset.partitions import in_order
from contracts.dataset.source import SourceError
from contracts.tables.computed.so_far import SoFarColumns, history_of
from contracts.tables.joins import SideTable
from contracts.tables.raw import main_columns, read_partition

CLEAN_DIR = Path("data/clean")


def counted_or_given(
    files: list[Path], declaration: Declaration, tables: tuple[SideTable, ...], clean_dir: Path = CLEAN_DIR
) -> tuple[Declaration, SoFarColumns | None]:
    """The declaration by which the files are read, and what counts the columns so far where they do not hold them.

    All files are read as the first one is; those without a header hold none of them. Raises SourceError if it holds some of
    the columns, or if there are no clean rows.
    """
    names, path = {column.name for column in declaration.so_far}, files[0]
    if not names:
        return declaration, None
    given = declaration.given
    held = names & names_in(path, given, tables, declaration.optional_to_score | names)
    if held == names:
        return given, None
    if held:
        lacking = ", ".join(sorted(names - held))
        raise SourceError(
            f"{path} has {', '.join(sorted(held))} and lacks {lacking}; it says all that is counted so far, or nothing of it"
        )
    clean = [folder / "impressions.parquet" for folder in _folders(clean_dir, declaration)]
    if not clean:
        raise SourceError(
            f"{path} lacks {', '.join(sorted(names))}, which are counted over earlier rows, and {clean_dir} has no rows to "
            "count; run the pipeline (`make repro`), or put the columns into the file"
        )
    print(
        f"score: {', '.join(sorted(names))} are counted over the rows of {clean_dir}; rows that are scored count for none",
        file=sys.stderr,
    )
    return declaration, SoFarColumns(declaration, history_of(clean, declaration))


def names_in(path: Path, declaration: Declaration, tables: tuple[SideTable, ...], optional: frozenset[str]) -> set[str]:
    """The columns of a file, by its header; none of one without."""
    if not declaration.source.format.header:
        return set()
    chunks = read_partition([path], declaration, main_columns(declaration, tables), optional)
    return {name for _, chunk in islice(chunks, 1) for name in (*chunk.rows.columns, *chunk.distinct.columns)}


def _folders(clean_dir: Path, declaration: Declaration) -> list[Path]:
    return in_order((path.parent for path in clean_dir.glob("*/impressions.parquet")), declaration.source.order)
