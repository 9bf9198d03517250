"""One partition of raw data as a declaration describes it: its files, side tables, images and expected header."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from contracts.dataset.declaration import Declaration
from contracts.dataset.partitions import matching
from contracts.dataset.source import Join, SourceError
from contracts.tables.chunk import Chunk
from contracts.tables.images import check_image
from contracts.tables.joins import SideTable, joined_names, read_side_table
from contracts.tables.reading import read_chunks

CREATIVES = {"creative_id": pl.String, "image": pl.Binary}


def side_tables(folder: Path, declaration: Declaration, *, labelled: bool = True) -> tuple[SideTable, ...]:
    """The side tables of the declaration's joins, read from `folder`.

    With `labelled` false (rows are to be scored) one whose matches are the label is left away.
    """
    formats = {column.name: declaration.source.format for column in declaration.columns}
    tables = []
    for join in declaration.source.joins if labelled else scored_joins(declaration):
        files = matching(folder, (join.files,))
        key = declaration.column(join.key)
        assert key is not None  # the declaration says so
        tables.append(read_side_table(files, folder, join, key, formats[join.key]))
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
    made = declaration.made_of_lists
    twofold = next((name for name in joined if name in made), None)
    if twofold is not None:
        raise SourceError(
            f"a side table has the column '{twofold}', which comes out of lists; rename or leave out the side table's"
        )
    if declaration.lists is not None:
        whole = {declaration.lists.item: declaration.lists.column}
        declared = [whole.get(name, name) for name in declared if name in whole or name not in made]
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
    joined -= {*declaration.made_of_lists}
    source = declaration.source
    for path in _with_rows(files):
        in_order = not source.format.header and path.suffix != ".parquet"
        names, fewer = _names_without_header(declaration, expected, optional) if in_order else (expected, ())
        for chunk in read_chunks(path, source.format, names, optional, joined=joined, rename=source.rename, fewer=fewer):
            chunk = chunk.without(left_out).decoded()
            if declaration.lists is not None:
                chunk = chunk.unfolded(declaration.lists, declaration.label.name)
            yield path, replace(chunk, rows=_as_sent(chunk.rows, declaration)) if source.kind == "served" else chunk


def _as_sent(rows: pl.DataFrame, declaration: Declaration) -> pl.DataFrame:
    """Served numbers, which a request holds as float32, as the shortest decimals that mean the same: 0.1 is 0.1 again."""
    sent = [c.name for c in declaration.columns if c.role == "numeric" and rows.schema.get(c.name, pl.Null()).is_float()]
    return rows.with_columns(pl.col(sent).cast(pl.Float32).cast(pl.String).cast(pl.Float64))


def _with_rows(files: list[Path]) -> list[Path]:
    """The files without Parquet files of no rows, which Spark writes beside others; all of them if none has rows."""
    filled = [path for path in files if path.suffix != ".parquet" or not _is_empty(path)]
    return filled or files


def _is_empty(path: Path) -> bool:
    try:
        return pq.read_metadata(path).num_rows == 0
    except (pa.ArrowInvalid, OSError):
        return False  # whoever reads it says what is wrong


def _names_without_header(
    declaration: Declaration, expected: tuple[str, ...], optional: frozenset[str]
) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """The expected columns in the order of files without a header; and those of files without the label if that is optional, and
    of files without all that is.
    """
    names = declaration.source.format.names or expected
    outcome = declaration.optional_to_score - {column.name for column in declaration.leave_out}
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
    if not optional:
        return names, ()
    return names, (tuple(n for n in names if n not in outcome), tuple(n for n in names if n not in optional))


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
