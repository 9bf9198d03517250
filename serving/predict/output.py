"""Where `serving.predict` writes: two files that appear whole or not at all, or stdout and stderr."""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

import polars as pl
from tqdm import tqdm

from contracts.tables.parquet import ParquetRows
from contracts.tables.rejected import REJECTED

SHOWN_REJECTED = 10  # rows that stderr lists where no file takes them


def quarantine(output: Path) -> Path:
    return output.with_name(f"{output.name}.quarantine.csv")


class ScoredRows:
    """Writes scored rows as CSV or Parquet."""

    def __init__(self, stream: BinaryIO, kind: str) -> None:
        self._stream, self._kind, self._begun = stream, kind, False
        self._parquet = ParquetRows(stream)

    def write(self, rows: pl.DataFrame) -> None:
        if self._kind == ".csv":
            self._stream.write(rows.write_csv(include_header=not self._begun).encode())
            self._stream.flush()
        else:
            self._parquet.write(rows)
        self._begun = True

    def close(self) -> None:
        self._parquet.close()


class RejectedRows:
    """Writes rejected rows as CSV; without a stream it lists the first of them on stderr."""

    def __init__(self, stream: BinaryIO | None) -> None:
        self._stream, self._listed = stream, 0
        if stream is not None:
            stream.write(pl.DataFrame(schema=REJECTED).write_csv().encode())

    def write(self, rows: pl.DataFrame) -> None:
        if self._stream is not None:
            rows.write_csv(self._stream, include_header=False)
            return
        for row in rows.head(SHOWN_REJECTED - self._listed).iter_rows(named=True):
            self._listed += 1
            where = f"column '{row['column']}': " if row["column"] else ""
            tqdm.write(f"predict: row {row['row']}, {where}{row['value']!r} breaks the rule {row['rule']}", file=sys.stderr)


@contextmanager
def opened(output: Path | None) -> Iterator[tuple[ScoredRows, RejectedRows]]:
    """Where the rows go: two files, which appear when the block ends well, or stdout and stderr."""
    if output is None:
        yield ScoredRows(sys.stdout.buffer, ".csv"), RejectedRows(None)
        return
    with ExitStack() as stack:
        rejected = RejectedRows(stack.enter_context(_whole_file(quarantine(output))))
        scored = ScoredRows(stack.enter_context(_whole_file(output)), output.suffix)
        yield scored, rejected
        scored.close()


@contextmanager
def _whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file beside `path` that takes its place when the block ends well, and is removed when it does not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as stream:
            yield stream
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
