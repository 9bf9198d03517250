"""Where a user may still be found when an erasure is done: what is looked into and named, and what can only be told."""

import mmap
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from contracts.serving.releases import releases
from lifecycle.erase.wanted import Wanted

MADE = ("data/raw", "data/clean", "data/quarantine", "data/split", "data/encoded", "data/predictions")  # by the pipeline
SHORTEST = 3  # characters of a text that is looked for in files whose columns are not known
STRINGS = (0x4A, 0x32)  # before a string of an attribute and of a tensor in ONNX
LONGEST_CODE = 4  # bytes by which a vocabulary of several columns tells them apart
WORD = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz-"


def holding(folder: Path, wanted: Wanted) -> list[Path]:
    """Files below the folder that hold the user, by a column of Parquet, a vocabulary of ONNX or the bare text."""
    files = [folder] if folder.is_file() else sorted(path for path in folder.rglob("*") if path.is_file())
    return [path for path in files if _holds(path, wanted)]


def knowing(store: Path, wanted: Wanted) -> list[int]:
    """Releases of the store whose vocabulary knows the user."""
    found = (version for version in releases(store) if any(_knows(path, wanted) for path in store.glob(f"*/{version}/*.onnx")))
    return sorted(found)


def _knows(path: Path, wanted: Wanted) -> bool:
    """Is the value, perhaps behind a column's code, a string of its own in the graph."""
    return any(_is_string(content, start, len(text)) for content, start, text in _places(path, wanted))


def _is_string(content: mmap.mmap, start: int, size: int) -> bool:
    for code in range(LONGEST_CODE + 1):
        whole = size + code
        length = bytes([whole]) if whole < 0x80 else bytes([whole & 0x7F | 0x80, whole >> 7])
        before = content[max(0, start - code - len(length) - 1) : max(0, start - code)]
        if before[1:] == length and before[0] in STRINGS:
            return True
    return False


def _holds(path: Path, wanted: Wanted) -> bool:
    if path.suffix == ".parquet":
        return _has_rows(path, wanted)
    if path.suffix == ".onnx":
        return _knows(path, wanted)
    if wanted.is_whole or len(wanted.value) < SHORTEST:
        return False
    return any(_stands_alone(content, start, len(text)) for content, start, text in _places(path, wanted))


def _stands_alone(content: mmap.mmap, start: int, size: int) -> bool:
    before, behind = content[max(0, start - 1) : start], content[start + size : start + size + 1]
    return before not in [bytes([c]) for c in WORD] and behind not in [bytes([c]) for c in WORD]


def _places(path: Path, wanted: Wanted) -> Iterator[tuple[mmap.mmap, int, bytes]]:
    if not path.stat().st_size:
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for text in wanted.texts:
            at = content.find(text)
            while at >= 0:
                yield content, at, text
                at = content.find(text, at + 1)


def _has_rows(path: Path, wanted: Wanted) -> bool:
    try:
        if wanted.column not in pq.read_schema(path).names:
            return False
        column = pq.read_table(path, columns=[wanted.column], partitioning=None)[wanted.column]
    except pa.ArrowInvalid:
        return False
    return any(wanted.is_meant(str(value).encode()) for value in pc.unique(column).to_pylist() if value is not None)
