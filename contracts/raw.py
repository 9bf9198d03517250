"""One partition of raw data as a declaration describes it: its files, side tables, images and expected header."""

import re
from collections.abc import Iterator
from pathlib import Path

import polars as pl
from PIL import Image

from contracts.chunk import ROW, Chunk
from contracts.declaration import Declaration
from contracts.images import check_image
from contracts.reading import SourceError, read_chunks, read_header
from contracts.source import Join

SHARED = "shared"  # folder of data/raw that holds what all partitions use: side tables
CREATIVES = {"creative_id": pl.String, "image": pl.Binary}


def partitions(raw_dir: Path) -> list[Path]:
    """Partition folders in order of their names. Raises SourceError if there are none."""
    found = [p for p in raw_dir.glob("*") if p.is_dir() and p.name != SHARED and not p.name.startswith(".")]
    if not found:
        raise SourceError(f"{raw_dir} holds no partition; run `python -m stages.acquire` first")
    return sorted(found, key=natural)


def natural(path: Path) -> list[str]:
    """Sort key that puts day_2 before day_10."""
    return _natural(path.name)


def _natural(name: str) -> list[str]:
    return [part.zfill(12) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def matching(folder: Path, patterns: tuple[str, ...]) -> list[Path]:
    """Files below `folder` that match one of the globs, in natural order of their paths."""
    found = {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    above = len(folder.parts)
    return sorted(found, key=lambda path: [_natural(part) for part in path.parts[above:]])


def read_side_table(raw_dir: Path, join: Join) -> pl.DataFrame:
    """The side table as strings. Raises SourceError if it is not whole, or its key is missing or repeats."""
    files = matching(raw_dir / SHARED, (join.files,))
    if not files:
        raise SourceError(f"no file matches the join '{join.files}' below source.path; correct source.joins")
    chunks = [chunk for path in files for chunk in read_chunks(path, join.format, (), frozenset(), any_header=True)]
    table = pl.concat([chunk.spelled_out(chunk.rows.columns).rows for chunk in chunks]).drop(ROW).cast(pl.String)
    broken = sum(len(chunk.ragged) + len(chunk.undecoded) for chunk in chunks)
    if broken:
        raise SourceError(f"{files[0]}: {broken} rows cannot be read; a side table has to be whole")
    left_out = [column.name for column in join.leave_out]
    unknown = next((name for name in (*left_out, join.key) if name not in table.columns), None)
    if unknown is not None:
        raise SourceError(f"{files[0]} lacks the column '{unknown}' that source.joins names; it has {', '.join(table.columns)}")
    repeated = table.filter(pl.col(join.key).is_duplicated())
    if repeated.height:
        raise SourceError(
            f"{files[0]} has {join.key}={repeated[join.key][0]!r} more than once; the key of a side table is unique"
        )
    return table.drop(left_out)


def main_columns(declaration: Declaration, tables: list[pl.DataFrame]) -> tuple[str, ...]:
    """Names the impressions' files must have: declared or left out, neither derived nor from a side table."""
    joins = zip(declaration.source.joins, tables, strict=True)
    joined = [name for join, table in joins for name in table.columns if name != join.key]
    declared = [c.name for c in declaration.columns if c.derive_from is None]
    names = [*declared, *(c.name for c in declaration.leave_out)]
    stray = next((name for name in joined if name not in declared), None)
    if stray is not None:
        raise SourceError(f"side table column '{stray}' is not declared; add it to columns or to the join's leave_out")
    return tuple(name for name in names if name not in joined)


def read_partition(
    files: list[Path], declaration: Declaration, expected: tuple[str, ...], optional: frozenset[str]
) -> Iterator[tuple[Path, Chunk]]:
    """Chunks of every file of a partition with only the columns that are used."""
    left_out = {column.name for column in declaration.leave_out}
    for path in files:
        names = names_in(path, declaration, expected, optional)
        for chunk in read_chunks(path, declaration.source.format, names, optional):
            yield path, chunk.without(left_out)


def names_in(path: Path, declaration: Declaration, expected: tuple[str, ...], optional: frozenset[str]) -> tuple[str, ...]:
    """The expected columns; in file order where files have no header. An optional label may then be left away."""
    fmt, label = declaration.source.format, declaration.label.name
    if fmt.header or path.suffix == ".parquet":
        return expected
    names = fmt.names or expected
    lacking = next((name for name in expected if name not in names), None)
    stray = next((name for name in names if name not in expected), None)
    if lacking is not None:
        raise SourceError(f"source.format.names lacks the declared column '{lacking}'; name every column of the files")
    if stray is not None:
        raise SourceError(f"source.format.names has '{stray}', which is not declared; add it to columns or to leave_out")
    without_label = tuple(name for name in names if name != label)
    if label in optional and path.stat().st_size and len(read_header(path, fmt)) == len(without_label):
        return without_label
    return names


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
