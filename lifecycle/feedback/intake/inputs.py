"""Files of feedback, and what kind each is by its columns: events, shown events, clicks, labels, or a month of the data set.

| a file with | is |
|---|---|
| the ending .jsonl or .ndjson | events, a JSON object a line, as the endpoint takes them |
| column `kind`, and `prediction_id` (and `row`) or `key` | events, each of its kind |
| `shown_at` | shown events |
| `clicked` (0 or 1) | labels |
| neither, with or without `clicked_at` | clicks |
| the declaration's columns, the label among them | a month |
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

from contracts.dataset.declaration import Declaration
from contracts.dataset.source import SourceError
from contracts.tables.raw import main_columns
from contracts.tables.text.compression import unpacked

InputKind = Literal["lines", "events", "shown", "clicks", "labels", "month"]
LINES, PARQUET = (".jsonl", ".ndjson"), ".parquet"
TABLES = (".csv", ".tsv", ".txt", PARQUET, ".gz", ".xz", ".zst", ".bz2", ".lz4")
TARGETS = ("prediction_id", "key")
TIMES = ("at", "at_ms", "shown_at", "clicked_at")
EVENT_COLUMNS = ("kind", "prediction_id", "row", "key", "clicked", *TIMES)
HEAD_BYTES = 1 << 16


@dataclass(frozen=True, kw_only=True)
class InputFile:
    path: Path
    kind: InputKind
    columns: tuple[str, ...] = ()  # of a table of events


def input_files(path: Path, declaration: Declaration) -> list[InputFile]:
    """The file, or those of the folder in order of their names. Raises ValueError if there is none, or one is no feedback."""
    if not path.exists():
        raise ValueError(f"{path} is not there; expected a file or folder of feedback")
    if path.is_file():
        return [_input_file(path, declaration)]
    suffixes = (*LINES, *TABLES)
    found = sorted(one for one in path.rglob("*") if one.is_file() and one.suffix in suffixes and not one.name.startswith("."))
    if not found:
        raise ValueError(f"{path} holds no file of feedback; expected names that end with {', '.join(suffixes)}")
    return [_input_file(one, declaration) for one in found]


def _input_file(path: Path, declaration: Declaration) -> InputFile:
    if path.suffix in LINES:
        return InputFile(path=path, kind="lines")
    names = _names(path)
    declared = {*main_columns(declaration, ()), *declaration.source.rename}
    is_event = any(name in names and name not in declared for name in TARGETS) and set(names) <= {*EVENT_COLUMNS}
    if not is_event and any(name in names for name in TARGETS) and "kind" in names and "kind" not in declared:
        stray = next(name for name in names if name not in EVENT_COLUMNS)
        raise SourceError(f"{path} has the column '{stray}', which no table of events has; allowed: {', '.join(EVENT_COLUMNS)}")
    if not is_event:
        return InputFile(path=path, kind="month")
    return InputFile(path=path, kind=_event_kind(path, names), columns=tuple(names))


def _event_kind(path: Path, names: list[str]) -> InputKind:
    if len(set(names)) < len(names):
        raise SourceError(f"{path} names a column twice: {', '.join(names)}")
    times = [name for name in TIMES if name in names]
    if len(times) > 1:
        raise SourceError(f"{path} has {' and '.join(times)}; expected one time of each event: make two files of it")
    if "kind" in names:
        return "events"
    if "shown_at" in names:
        return "shown"
    return "labels" if "clicked" in names else "clicks"


def _names(path: Path) -> list[str]:
    """What the first line of a text, or a Parquet file, calls its columns if they are separated by commas or tabs."""
    if path.suffix == PARQUET:
        try:
            return list(pq.read_schema(path).names)
        except pa.ArrowInvalid as error:
            raise SourceError(f"{path}: not a readable Parquet file ({' '.join(str(error).split())}); send it again") from None
    with path.open("rb") as file:
        start, stream = unpacked(path, file)
        head = start if b"\n" in start else start + stream.read(HEAD_BYTES)
    line = head.split(b"\n", 1)[0].decode("utf-8", "replace").removeprefix("\ufeff").rstrip("\r")
    return [name.strip().strip('"') for name in line.split("\t" if "\t" in line else ",")]
