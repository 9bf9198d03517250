"""One partition of raw data as a declaration describes it: its files, side tables, images and expected header."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from contracts.chunk import Chunk
from contracts.declaration import Declaration
from contracts.delimited import read_header
from contracts.header import SourceError
from contracts.images import check_image
from contracts.joins import SideTable, joined_names, read_side_table
from contracts.reading import read_chunks
from contracts.source import Join

SHARED = "shared"  # folder of data/raw that holds what all partitions use: side tables
CREATIVES = {"creative_id": pl.String, "image": pl.Binary}


def partitions(raw_dir: Path, order: tuple[str, ...] = ()) -> list[Path]:
    """Partition folders in `order`, or else in that of their names. Raises SourceError if there are none."""
    found = [p for p in raw_dir.glob("*") if p.is_dir() and p.name != SHARED and not p.name.startswith(".")]
    if not found:
        raise SourceError(f"{raw_dir} holds no partition; run `python -m stages.acquire` first")
    return in_order(found, order)


def in_order(folders: Iterable[Path], order: tuple[str, ...]) -> list[Path]:
    """Folders of partitions, the first first. Raises SourceError if `order` is given and lacks one of them."""
    folders = sorted(folders, key=natural)
    unknown = next((folder.name for folder in folders if order and folder.name not in order), None)
    if unknown is not None:
        what = "files without a match of source.partition" if unknown == "all" else "add it where it belongs"
        raise SourceError(f"partition '{unknown}' is not in source.order ({', '.join(order)}): {what}")
    return sorted(folders, key=lambda folder: order.index(folder.name)) if order else folders


def natural(path: Path) -> list[str]:
    """Sort key that puts day_2 before day_10."""
    return _natural(path.name)


def _natural(name: str) -> list[str]:
    return [part.zfill(12) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def matching(folder: Path, patterns: tuple[str, ...]) -> list[Path]:
    """Files below `folder` that match one of the globs and are not hidden, in natural order of their paths."""
    above = len(folder.parts)
    found = {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    found = [path for path in found if not any(part.startswith(".") for part in path.parts[above:])]  # notebooks' copies, ...
    return sorted(found, key=lambda path: [_natural(part) for part in path.parts[above:]])


def side_tables(folder: Path, declaration: Declaration, *, labelled: bool = True) -> tuple[SideTable, ...]:
    """The side tables of the declaration's joins, read from `folder`.

    With `labelled` false (rows are to be scored) one whose matches are the label is left away.
    """
    formats = {column.name: declaration.source.format for column in declaration.columns}
    tables = []
    for join in declaration.source.joins if labelled else scored_joins(declaration):
        files = matching(folder, (join.files,))
        tables.append(read_side_table(files, folder, join, declaration.column(join.key), formats[join.key]))
        formats |= dict.fromkeys(tables[-1].names, tables[-1].fmt)
    return tuple(tables)


def trained_side_tables(folder: Path, declaration: Declaration, known: Mapping[str, str]) -> tuple[SideTable, ...]:
    """The side tables for rows to be scored, from where the training had them.

    Raises SourceError unless each has the sha-256 that `known` holds by its path below `folder`.
    """
    globs = [join.files for join in scored_joins(declaration)]
    used = {path.relative_to(folder).as_posix(): path.read_bytes() for path in matching(folder, tuple(globs))}
    if globs and (not used or any(known.get(name) != hashlib.sha256(data).hexdigest() for name, data in used.items())):
        raise SourceError(
            f"{folder} does not hold the side tables that the model was trained with ({', '.join(globs)}); "
            f"run the pipeline for the model's data set, '{declaration.name}'"
        )
    return side_tables(folder, declaration, labelled=False)


def scored_joins(declaration: Declaration) -> tuple[Join, ...]:
    """The joins that rows to be scored need: all but one whose matches are the label."""
    return tuple(join for join in declaration.source.joins if join.matched != declaration.label.name)


def main_columns(declaration: Declaration, tables: tuple[SideTable, ...]) -> tuple[str, ...]:
    """Names the impressions' files must have: declared or left out, neither derived nor from a side table."""
    joined = joined_names(tables)
    declared = [c.name for c in declaration.columns if c.derive_from is None]
    names = [*declared, *(c.name for c in declaration.leave_out)]
    stray = next((name for name in joined if name not in declared), None)
    if stray is not None:
        blanks = "" if stray == stray.strip() else ", or set strip: true in the join's format"
        raise SourceError(f"side table column '{stray}' is not declared; add it to columns or to the join's leave_out{blanks}")
    return tuple(name for name in names if name not in joined)


def read_partition(
    files: list[Path], declaration: Declaration, expected: tuple[str, ...], optional: frozenset[str]
) -> Iterator[tuple[Path, Chunk]]:
    """Chunks of every file of a partition with only the columns that are used."""
    left_out = {column.name for column in declaration.leave_out}
    joined = frozenset(c.name for c in declaration.columns if c.derive_from is None and c.name not in expected)
    for path in _with_rows(files):
        names = names_in(path, declaration, expected, optional)
        for chunk in read_chunks(path, declaration.source.format, names, optional, joined=joined):
            yield path, chunk.without(left_out).decoded()


def _with_rows(files: list[Path]) -> list[Path]:
    """The files without Parquet files of no rows, which Spark writes beside others; all of them if none has rows."""
    filled = [path for path in files if path.suffix != ".parquet" or not _is_empty(path)]
    return filled or files


def _is_empty(path: Path) -> bool:
    try:
        return pq.read_metadata(path).num_rows == 0
    except (pa.ArrowInvalid, OSError):
        return False  # whoever reads it says what is wrong


def names_in(path: Path, declaration: Declaration, expected: tuple[str, ...], optional: frozenset[str]) -> tuple[str, ...]:
    """The expected columns; in file order where files have no header. The optional ones may then be left away: the label,
    or all of them.
    """
    fmt, label = declaration.source.format, declaration.label.name
    if fmt.header or path.suffix == ".parquet":
        return expected
    names = fmt.names or expected
    lacking = next((name for name in expected if name not in names and name not in optional), None)
    stray = next((name for name in names if name not in expected), None)
    if lacking is not None:
        raise SourceError(f"source.format.names lacks the declared column '{lacking}'; name every column of the files")
    if stray is not None:
        twofold = any(column.name == stray for column in declaration.columns)
        why = (
            "and so has a side table; rename or leave out one"
            if twofold
            else "which is not declared; add it to columns or to leave_out"
        )
        raise SourceError(f"source.format.names has '{stray}', {why}")
    if not optional or not path.stat().st_size:
        return names
    num_cells = len(read_header(path, fmt))
    fewer = (tuple(n for n in names if n != label), tuple(n for n in names if n not in optional))
    return next((left for left in (names, *fewer) if len(left) == num_cells), names)


def read_images(folder: Path, declaration: Declaration) -> tuple[pl.DataFrame, list[tuple[str, str]]]:
    """Images of one partition (CREATIVES, by id) and the unreadable ones (file, reason)."""
    good, bad = {}, []
    for path in matching(folder, (declaration.images.files,)) if declaration.images else []:
        content = path.read_bytes()
        try:
            check_image(content)
            good[path.stem] = content
        except (Image.DecompressionBombError, ValueError, OSError, SyntaxError) as error:
            bad.append((path.name, " ".join(str(error).replace(str(folder), "").split())))
    rows = [(creative_id, good[creative_id]) for creative_id in sorted(good)]
    return pl.DataFrame(rows, schema=CREATIVES, orient="row"), bad
