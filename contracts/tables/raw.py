"""One partition of raw data as a declaration describes it: its files, side tables, images and expected header."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from contracts.dataset.declaration import Declaration
from contracts.dataset.partitions import matching
from contracts.dataset.places import early_columns, folder_values
from contracts.dataset.source import Join, SourceError
from contracts.tables.chunk import Chunk
from contracts.tables.images import unreadable
from contracts.tables.joins import SideTable, joined_names, read_side_table
from contracts.tables.reading import read_chunks, says_names
from contracts.tables.text.archive import with_members
from contracts.tables.text.header import IN_FOLDER

CREATIVES = {"creative_id": pl.String, "image": pl.Binary}


def side_tables(folder: Path, declaration: Declaration, *, labelled: bool = True) -> tuple[SideTable, ...]:
    """The side tables of the declaration's joins, read from `folder`.

    With `labelled` false (rows are to be scored) one whose matches are the label is left away.
    """
    formats = {column.name: declaration.source.format for column in declaration.written}
    tables = []
    for join in declaration.source.joins if labelled else scored_joins(declaration):
        files = with_members(matching(folder, (join.files,)), join.format.members)
        key_formats = tuple(formats[name] for name in join.keys)
        keys = tuple(column for name in join.keys if (column := declaration.column(name)) is not None)
        tables.append(read_side_table(files, folder, join, keys, key_formats, declaration.lists))
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
    """Names the impressions' files must have: declared or left out, not computed, nor from a side table or a folder's name."""
    joined = joined_names(tables)
    declared = [c.name for c in declaration.written if c.is_read]
    made = declaration.made_of_lists
    twofold = next((name for name in joined if name in made), None)
    if twofold is not None:
        raise SourceError(
            f"a side table has the column '{twofold}', which comes out of lists; rename or leave out the side table's"
        )
    if declaration.unfold is not None:
        whole = {declaration.unfold.item: declaration.unfold.column}
        declared = [whole.get(name, name) for name in declared if name in whole or name not in made]
    names = [*declared, *(c.name for c in declaration.leave_out)]
    stray = next((name for name in joined if name not in declared), None)
    if stray is not None:
        blanks = "" if stray == stray.strip() else ", or set strip: true in the join's format"
        raise SourceError(f"side table column '{stray}' is not declared; add it to columns or to the join's leave_out{blanks}")
    late = next((c.name for c in declaration.written if c.since is not None and c.name in joined), None)
    if late is not None:
        raise SourceError(f"column '{late}' has since, and comes from a side table, which all months share; take since away")
    placed = folder_columns(declaration)
    twofold = next((name for name in joined if name in placed), None)
    if twofold is not None:
        raise SourceError(
            f"a side table has the column '{twofold}', and so has a folder (folder); rename or leave out the side table's"
        )
    return tuple(name for name in names if name not in joined and name not in placed)


def folder_columns(declaration: Declaration) -> frozenset[str]:
    """Names of the columns whose values stand in the names of folders."""
    return frozenset(column.name for column in declaration.written if column.folder is not None)


def read_partition(
    files: list[Path], declaration: Declaration, expected: tuple[str, ...], optional: frozenset[str], root: Path | None = None
) -> Iterator[tuple[Path, Chunk]]:
    """Chunks of every file of a partition with only the columns that are used.

    `root` is the partition's folder; without it files lie anywhere, such as those to be scored.
    """
    left_out, placed, source = {c.name for c in declaration.leave_out}, folder_columns(declaration), declaration.source
    read = {c.name for c in declaration.written if c.is_read}
    joined = frozenset(read - {*expected, *declaration.made_of_lists} - placed)
    for path in with_members(_with_rows(files), source.format.members):
        early = early_columns(path, declaration, root)
        in_order = not says_names(path, source.format)
        names, fewer = _names_without_header(declaration, expected, optional, early) if in_order else (expected, ())
        values = folder_values(path, declaration, root, optional)
        chunks = read_chunks(
            path, source.format, names, optional | early,
            joined=joined, in_folders=placed, rename=source.rename, fewer=fewer,
        )  # fmt: skip
        for chunk in chunks:
            chunk = _filled(chunk.without(left_out).decoded(), early, values)
            if declaration.unfold is not None:
                chunk = chunk.unfolded(declaration.unfold, declaration.label.name)
            yield path, replace(chunk, rows=_as_sent(chunk.rows, declaration)) if source.kind == "served" else chunk


def _filled(chunk: Chunk, early: frozenset[str], values: dict[str, str | None]) -> Chunk:
    """The chunk with a missing value for each of the `early` columns that it lacks, and the `values` of all of its rows."""
    nothing = dict.fromkeys(sorted(early - {*chunk.rows.columns}))
    constant = [pl.lit(value, pl.String).alias(name) for name, value in (nothing | values).items()]
    if not constant:
        return replace(chunk, early=early)
    one_row = pl.DataFrame({"": [0]})
    distinct = chunk.distinct.with_columns(constant) if chunk.distinct.width else one_row.select(constant)
    places = (pl.lit(0, pl.UInt32).alias(name) for name in (*nothing, *values))
    return replace(chunk, rows=chunk.rows.with_columns(places), distinct=distinct, early=early)


def _as_sent(rows: pl.DataFrame, declaration: Declaration) -> pl.DataFrame:
    """Served numbers, which a request holds as float32, as the shortest decimals that mean the same: 0.1 is 0.1 again."""
    sent = [c.name for c in declaration.written if c.role == "numeric" and rows.schema.get(c.name, pl.Null()).is_float()]
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
    declaration: Declaration, expected: tuple[str, ...], optional: frozenset[str], early: frozenset[str]
) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """The expected columns in the order of files without a header; and those of files without the label if that is optional, of
    files without all that is, and of all these without the `early` ones.
    """
    names = declaration.source.format.names or expected
    outcome = declaration.optional_to_score - {column.name for column in declaration.leave_out}
    lacking = next((name for name in expected if name not in names and name not in optional), None)
    stray = next((name for name in names if name not in expected), None)
    if lacking is not None:
        raise SourceError(f"source.format.names lacks the declared column '{lacking}'; name every column of the files")
    if stray is not None:
        twofold = any(column.name == stray for column in declaration.written)
        why = (
            (IN_FOLDER if stray in folder_columns(declaration) else "and so has a side table; rename or leave out one")
            if twofold
            else "which is not declared; add it to columns or to leave_out"
        )
        raise SourceError(f"source.format.names has '{stray}', {why}")
    without = (outcome, optional) if optional else ()
    fewer = [tuple(n for n in names if n not in some) for some in without]
    if early:
        fewer += [tuple(n for n in taken if n not in early) for taken in (names, *fewer)]
    return names, tuple(fewer)


def read_images(folder: Path, declaration: Declaration) -> tuple[pl.DataFrame, list[tuple[str, str]]]:
    """Images of one partition (CREATIVES, by id) and the unreadable ones (file, reason). All are in memory."""
    good, bad = {}, []
    for path in matching(folder, (declaration.images.files,)) if declaration.images else []:
        content = path.read_bytes()
        reason = unreadable(content)
        if reason is None:
            good[path.stem] = content
        else:
            bad.append((path.name, reason))
    rows = [(creative_id, good[creative_id]) for creative_id in sorted(good)]
    return pl.DataFrame(rows, schema=CREATIVES, orient="row"), bad
