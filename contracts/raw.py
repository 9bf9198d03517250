"""One partition of raw data as a declaration describes it: its files, its side tables, its images, its expected header."""

import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import polars as pl
from PIL import Image, UnidentifiedImageError

from contracts.declaration import Declaration, Join
from contracts.reading import ROW, Chunk, SourceError, read_chunks

SHARED = "shared"  # folder of data/raw that holds what all partitions use: side tables
CREATIVES = {"creative_id": pl.String, "image": pl.Binary}
MAX_IMAGE_PIXELS = 16_000_000


def partitions(raw_dir: Path) -> list[Path]:
    """Partition folders in order of their names. Raises SourceError if there are none."""
    found = [p for p in raw_dir.glob("*") if p.is_dir() and p.name != SHARED and not p.name.startswith(".")]
    if not found:
        raise SourceError(f"{raw_dir} holds no partition; run `python -m stages.acquire` first")
    return sorted(found, key=natural)


def natural(path: Path) -> list[str]:
    """Sort key that puts day_2 before day_10."""
    return [part.zfill(12) if part.isdigit() else part for part in re.split(r"(\d+)", path.name)]


def matching(folder: Path, patterns: tuple[str, ...]) -> list[Path]:
    """Files below `folder` that match one of the globs, in order of their names."""
    return sorted({path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}, key=natural)


def read_side_table(raw_dir: Path, join: Join) -> pl.DataFrame:
    """The side table as strings, its key first found without repeats. Raises SourceError on a missing or repeated key."""
    files = matching(raw_dir / SHARED, (join.files,))
    if not files:
        raise SourceError(f"no file matches the join '{join.files}' below source.path; correct source.joins")
    chunks = [chunk for path in files for chunk in read_chunks(path, join.format, (), frozenset(), any_header=True)]
    table = pl.concat([chunk.rows for chunk in chunks]).drop(ROW).cast(pl.String)
    broken = sum(len(chunk.ragged) + len(chunk.undecoded) for chunk in chunks)
    if broken:
        raise SourceError(f"{files[0]}: {broken} rows cannot be read; a side table has to be whole")
    left_out = [column.name for column in join.leave_out]
    unknown = next((name for name in (*left_out, join.key) if name not in table.columns), None)
    if unknown is not None:
        raise SourceError(f"{files[0]} lacks the column '{unknown}' that source.joins names; it has {', '.join(table.columns)}")
    repeated = table.filter(pl.col(join.key).is_duplicated())
    if repeated.height:
        raise SourceError(f"{files[0]} has {join.key}={repeated[join.key][0]!r} more than once; the key of a side table is unique")
    return table.drop(left_out)


def main_columns(declaration: Declaration, tables: list[pl.DataFrame]) -> tuple[str, ...]:
    """Names the impressions' files must have: declared or left out, neither derived nor from a side table."""
    joined = {name for join, table in zip(declaration.source.joins, tables, strict=True) for name in table.columns if name != join.key}
    declared = [c.name for c in declaration.columns if c.derive_from is None]
    names = [*declared, *(c.name for c in declaration.leave_out)]
    stray = next((name for name in joined if name not in declared), None)
    if stray is not None:
        raise SourceError(f"side table column '{stray}' is not declared; add it to columns or to the join's leave_out")
    return tuple(name for name in names if name not in joined)


def read_partition(files: list[Path], declaration: Declaration, expected: tuple[str, ...], optional: frozenset[str]) -> Iterator[tuple[Path, Chunk]]:
    """Chunks of every file of a partition with only the columns that are used."""
    fmt = declaration.source.format
    names = fmt.names if fmt.names is not None and not fmt.header else expected
    left_out = {column.name for column in declaration.leave_out}
    for path in files:
        for chunk in read_chunks(path, fmt, names, optional):
            chunk.rows = chunk.rows.drop(left_out & set(chunk.rows.columns))
            chunk.undecoded = [cell for cell in chunk.undecoded if cell[1] not in left_out]
            yield path, chunk


def read_images(folder: Path, declaration: Declaration) -> tuple[pl.DataFrame, list[tuple[str, str]]]:
    """Images of one partition (CREATIVES, by id) and the unreadable ones (file, reason)."""
    good, bad = {}, []
    for path in matching(folder, (declaration.images.files,)) if declaration.images else []:
        content = path.read_bytes()
        try:
            with Image.open(BytesIO(content)) as image:
                if image.width * image.height > MAX_IMAGE_PIXELS:
                    raise ValueError(f"{image.width}x{image.height} pixels, more than {MAX_IMAGE_PIXELS}")
                image.load()
            good[path.stem] = content
        except (UnidentifiedImageError, Image.DecompressionBombError, ValueError, OSError, SyntaxError) as error:
            bad.append((path.name, " ".join(str(error).replace(str(folder), "").split())))
    rows = [(creative_id, good[creative_id]) for creative_id in sorted(good)]
    return pl.DataFrame(rows, schema=CREATIVES, orient="row"), bad
