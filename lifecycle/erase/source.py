"""The raw files that the declaration names: rows of a user in them, and the same files without these rows.

Only a file that a `.dvc` pointer of this project tracks is ours to rewrite; others are named, for whoever owns them.
"""

import csv
import io
import lzma
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml

from contracts.dataset.declaration import Declaration
from contracts.dataset.partitions import matching
from contracts.dataset.served import as_read
from contracts.dataset.source import Format
from contracts.files import sync
from contracts.tables.parquet import ParquetRows
from contracts.tables.text.json_lines import is_json_lines
from contracts.tables.text.json_object import NoObject, cell_text, parsed_object
from contracts.tables.text.separator import restored, separated
from lifecycle.erase.wanted import Wanted

CODECS = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".lz4": "lz4"}  # as pyarrow calls them
XZ = (".xz", ".lzma")
ARCHIVES = (".zip", ".7z", ".rar", ".tar", ".tgz")
MOST_LINES = 200  # among which a header is looked for


class NotRewritten(ValueError):
    """A file that holds rows of the user and cannot be rewritten; the text says why."""


@dataclass(frozen=True, kw_only=True)
class RawFile:
    """A file of the source that has the entity's column."""

    path: Path
    fmt: Format
    names: tuple[str, ...]  # what it may call the column
    columns: tuple[str, ...]  # all of them, of files without a header
    pointer: Path | None  # that tracks it; None: it is not ours


def raw_files(declaration: Declaration, wanted: Wanted, project: Path) -> list[RawFile]:
    """Those of a source on this machine; none if it is simulated, lies elsewhere, or is not there."""
    declaration = as_read(declaration)
    source, root = declaration.source, declaration.source.local
    if root is None or not (project / root).exists():
        return []
    root = project / root
    tables: list[tuple[tuple[str, ...], Format, dict[str, str]]] = [(source.files, source.format, source.rename)]
    tables += [((join.files,), join.format, join.rename) for join in source.joins]
    declared = (
        *(column.name for column in declaration.written if column.is_read),
        *(column.name for column in declaration.leave_out),
    )
    owners, found = owned(project), dict[Path, RawFile]()
    for patterns, fmt, rename in tables:
        names = (wanted.column, *(old for old, new in rename.items() if new == wanted.column))
        for path in [root] if root.is_file() else matching(root, patterns):
            pointer = next((pointer for place, pointer in owners.items() if _own_path(path).is_relative_to(place)), None)
            found[path] = RawFile(path=path, fmt=fmt, names=names, columns=fmt.names or declared, pointer=pointer)
    return list(found.values())


def owned(project: Path) -> dict[Path, Path]:
    """What each `.dvc` pointer below data/ tracks, and the pointer."""
    found: dict[Path, Path] = {}
    for pointer in sorted((project / "data").rglob("*.dvc")):
        outs = (yaml.safe_load(pointer.read_text()) or {}).get("outs", []) if pointer.is_file() else []
        found |= {pointer.parent.resolve() / out["path"]: pointer for out in outs}
    return found


def _own_path(path: Path) -> Path:
    """Where the file lies, though not what it links to: DVC may keep a link into its cache there."""
    return path.parent.resolve() / path.name


def count(file: RawFile, wanted: Wanted) -> int:
    """Rows of the user. Raises NotRewritten if the file cannot be read so far."""
    if file.path.suffix.lower() == ".parquet":
        name = next((name for name in file.names if name in pq.read_schema(file.path).names), None)
        return 0 if name is None else int(_meant(pq.read_table(file.path, columns=[name], partitioning=None), name, wanted).sum())
    with _texts(file.path, file.fmt) as stream:
        return sum(is_theirs for _, is_theirs in _records(stream, file, wanted))


def erase(file: RawFile, wanted: Wanted) -> None:
    """Replace the file by one without the user's rows, the others byte for byte. Killed before its end, it has done nothing."""
    path = _own_path(file.path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        if path.suffix.lower() == ".parquet":
            table = pq.read_table(path, partitioning=None)
            name = next(name for name in file.names if name in table.schema.names)
            with ParquetRows(partial, schema=table.schema) as rows:
                for batch in table.filter(pa.array(~_meant(table, name, wanted))).to_batches():
                    rows.write(batch)
        else:
            with _texts(path, file.fmt) as stream, _written(partial, path.suffix.lower(), file.fmt) as target:
                target.writelines(text for text, is_theirs in _records(stream, file, wanted) if not is_theirs)
        os.chmod(partial, path.stat().st_mode & 0o777 | 0o200)
        sync(partial)
        os.replace(partial, path)
        sync(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def _meant(table: pa.Table, name: str, wanted: Wanted) -> np.ndarray:
    texts = pc.cast(table[name], pa.string()).to_pylist()
    return np.array([text is not None and wanted.is_meant(text.encode()) for text in texts], dtype=bool)


def _records(stream: IO[str], file: RawFile, wanted: Wanted) -> Iterator[tuple[str, bool]]:
    """The text of each record as it stands in the file, and is it a row of the user. Raises NotRewritten."""
    if is_json_lines(file.path):
        yield from ((line, _is_in_object(line, file, wanted)) for line in stream)
        return
    fmt, taken = file.fmt, list[str]()

    def lines() -> Iterator[str]:
        for line in stream:
            taken.append(line)
            yield separated(line, fmt)

    csv.field_size_limit(sys.maxsize)
    reader = csv.reader(
        lines(),
        delimiter=fmt.separator,
        quotechar=fmt.quote or '"',
        quoting=csv.QUOTE_NONE if fmt.quote is None else csv.QUOTE_MINIMAL,
        escapechar=fmt.escape,
        doublequote=fmt.escape is None,
    )
    place = None if fmt.header else _place(file.columns, file)
    left = 0 if fmt.skip_lines == "to_header" else fmt.num_skipped
    for number, cells in enumerate([restored(cell, fmt) for cell in row] for row in reader):
        text, is_theirs = "".join(taken), False
        taken.clear()
        if left:
            left -= 1
        elif place is None:
            names = [cell.strip().removeprefix("\ufeff") for cell in cells]
            place = _place(names, file, must=fmt.skip_lines != "to_header" or number >= MOST_LINES)
        elif place < len(cells):
            is_theirs = wanted.is_meant((cells[place].strip() if fmt.strip or wanted.is_whole else cells[place]).encode())
        yield text, is_theirs


def _is_in_object(line: str, file: RawFile, wanted: Wanted) -> bool:
    """Is a line of JSON a row of the user; one that is no object is nobody's."""
    try:
        found = parsed_object(line.removeprefix("\ufeff"))
        texts = [cell_text(found[name]) for name in file.names if name in found]
    except NoObject:
        return False
    return any(text is not None and wanted.is_meant(text.encode()) for text in texts)


def _place(names: tuple[str, ...] | list[str], file: RawFile, must: bool = True) -> int | None:
    """Where the column stands; beyond all others if the file has none, None if that may still come."""
    found = next((names.index(name) for name in file.names if name in names), None)
    return found if found is not None else sys.maxsize if must else None


@contextmanager
def _texts(path: Path, fmt: Format) -> Iterator[IO[str]]:
    """What the file holds, line ends as they are. Raises NotRewritten."""
    suffix = path.suffix.lower()
    if suffix in ARCHIVES:
        raise NotRewritten(f"{path} is an archive; unpack it")
    with ExitStack() as stack:
        packed: Any = stack.enter_context(path.open("rb"))
        if suffix in XZ:
            packed = stack.enter_context(lzma.open(packed))
        elif suffix in CODECS:
            packed = io.BufferedReader(stack.enter_context(pa.input_stream(packed, compression=CODECS[suffix])))
        yield stack.enter_context(io.TextIOWrapper(packed, encoding=fmt.encoding, newline=""))


@contextmanager
def _written(path: Path, suffix: str, fmt: Format) -> Iterator[IO[str]]:
    """A new file that is compressed as the suffix says."""
    with ExitStack() as stack:
        packed: Any = stack.enter_context(path.open("wb"))
        if suffix in XZ:
            form = lzma.FORMAT_XZ if suffix == ".xz" else lzma.FORMAT_ALONE
            packed = stack.enter_context(lzma.open(packed, "wb", format=form))
        elif suffix in CODECS:
            packed = stack.enter_context(pa.output_stream(packed, compression=CODECS[suffix]))
        yield stack.enter_context(io.TextIOWrapper(packed, encoding=fmt.encoding, newline=""))
