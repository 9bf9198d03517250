"""A file into the store, whole or not at all: what is rejected is written beside, and too much of it refuses the file."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from contracts.dataset.declaration import Declaration
from contracts.files import write_whole
from contracts.lifecycle.feedback import FeedbackConfig
from lifecycle.feedback.intake.events import REFUSED
from lifecycle.feedback.intake.files import read_file
from lifecycle.feedback.intake.inputs import InputFile
from lifecycle.feedback.intake.taking import hidden, take_in
from lifecycle.feedback.store import WATERMARK, FeedbackStore

REJECTED_FOLDER = "rejected"
MOST_KEPT = 10_000  # rejected rows of a file that are written out
SMALLEST = 20  # rejected rows that refuse a file


@dataclass(frozen=True, kw_only=True)
class FileTerms:
    """How a file is to be understood."""

    now_ns: int
    source: str
    as_of_ns: int | None  # when what it says was said
    has_end: bool  # is a month complete until its last row, or has somebody said until when
    hide: Callable[[str], str | None]


def take_file(
    store: FeedbackStore,
    file: InputFile,
    declaration: Declaration,
    config: FeedbackConfig,
    terms: FileTerms,
    say: Callable[[str], None],
) -> None:
    """Raises ValueError, and then nothing of the file was taken in."""
    received = rejected = 0
    last_ns, kept, now_ns = None, [pl.DataFrame(schema=REFUSED)], terms.now_ns
    with store.transaction():
        for content in read_file(file, declaration, terms.as_of_ns, now_ns):
            batch = hidden(content.batch, terms.hide)
            taken = take_in(store, batch, terms.source, now_ns)
            received, rejected = received + taken.received, rejected + taken.rejected
            kept.append(batch.rejected.head(max(0, MOST_KEPT - sum(map(len, kept)))))
            last_ns = max((at for at in (last_ns, content.last_ns) if at is not None), default=None)
        _write_rejected(Path(config.folder) / REJECTED_FOLDER / f"{file.path.name}.csv", pl.concat(kept))
        _refuse_too_many(file.path, received, rejected, pl.concat(kept), config)
        if terms.has_end and last_ns is not None:
            store.mark(WATERMARK, min(last_ns, now_ns))
    where = f", {rejected:,} of them rejected ({config.folder}/{REJECTED_FOLDER}/{file.path.name}.csv)" if rejected else ""
    say(f"{file.path}: {received:,} {'rows of a month' if file.kind == 'month' else file.kind} taken in{where}")


def _write_rejected(path: Path, rejected: pl.DataFrame) -> None:
    if len(rejected):
        content = io.BytesIO()
        rejected.write_csv(content)
        write_whole(path, content.getvalue())


def _refuse_too_many(path: Path, received: int, rejected: int, kept: pl.DataFrame, config: FeedbackConfig) -> None:
    if rejected >= min(SMALLEST, max(received, 1)) and rejected > config.max_rejected * received:
        first = kept.row(0, named=True)
        raise ValueError(
            f"{path}: {rejected:,} of {received:,} rows are rejected, more than feedback.max_rejected "
            f"({config.max_rejected:g}), so nothing was taken in; row {first['place']}: {first['column']} {first['rule']}, got "
            f"{first['value']!r}; all of them are in {config.folder}/{REJECTED_FOLDER}/{path.name}.csv"
        )
