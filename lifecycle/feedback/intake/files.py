"""What is in files of feedback, as events: tables of events by rules of their own, a month by the contract of its data set."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from contracts.dataset.columns import Column
from contracts.dataset.declaration import Declaration
from contracts.dataset.partitions import SHARED
from contracts.dataset.source import Format, SourceError
from contracts.tables.chunk import ROW, Chunk
from contracts.tables.contract import Contract, contract_of
from contracts.tables.raw import main_columns, read_partition, side_tables
from contracts.tables.reading import read_chunks
from lifecycle.feedback.intake.events import EVENTS, REFUSED, EventBatch, batch_of
from lifecycle.feedback.intake.inputs import TIMES, InputFile
from lifecycle.feedback.intake.lines import NS_OF_MS, read_lines
from lifecycle.feedback.rules import CLICK, LABEL, SHOWN

RAW_DIR = Path("data/raw")  # holds the side tables that a declaration's joins name
LINES_BYTES = 1 << 25  # of a file of JSON lines, read at once
KIND_OF = {"shown": SHOWN, "clicks": CLICK, "labels": LABEL}
CELLS = {
    "kind": "string",
    "prediction_id": "string",
    "row": "int",
    "key": "string",
    "at_ms": "int",
    "at": "datetime",
    "shown_at": "datetime",
    "clicked_at": "datetime",
    "clicked": "int",
}
LARGEST_MS = 9_000_000_000_000  # in the year 2255


@dataclass(frozen=True, kw_only=True)
class FileContent:
    """A piece of a file."""

    batch: EventBatch
    last_ns: int | None = None  # of a month: the time of its last row


def read_file(file: InputFile, declaration: Declaration, as_of_ns: int | None, now_ns: int) -> Iterator[FileContent]:
    """The file in pieces. `as_of_ns`: when what it says was said. Raises ValueError if the file as a whole is of no use."""
    if file.kind == "lines":
        yield from _lines(file.path, now_ns)
    elif file.kind == "month":
        yield from _month(file.path, declaration, as_of_ns, now_ns)
    else:
        yield from _table(file, as_of_ns, now_ns)


def _lines(path: Path, now_ns: int) -> Iterator[FileContent]:
    first = 0
    with path.open("rb") as stream:
        while lines := stream.readlines(LINES_BYTES):
            try:
                batch = read_lines(b"".join(lines), now_ns)
            except ValueError as error:
                raise SourceError(f"{path}: {error}") from None
            places = (pl.col("place") + first,)
            yield FileContent(
                batch=replace(batch, events=batch.events.with_columns(places), rejected=batch.rejected.with_columns(places))
            )
            first += len(lines)


def _table(file: InputFile, as_of_ns: int | None, now_ns: int) -> Iterator[FileContent]:
    """A table of events: UTF-8, commas or tabs, a line of names; or Parquet."""
    fmt = Format(delimiter="\t" if ".tsv" in file.path.suffixes else ",")
    columns = tuple(Column(name=name, role="info", dtype=CELLS[name], nullable=True) for name in file.columns)  # type: ignore[arg-type]
    contract = Contract(columns=columns, formats={column.name: fmt for column in columns})
    for chunk in read_chunks(file.path, fmt, file.columns, frozenset()):
        good, bad = _checked(contract, chunk.decoded(), file.path)
        time = next((name for name in TIMES if name in file.columns), None)
        at = pl.lit(as_of_ns, pl.Int64) if time is None else _nanoseconds(time)
        kind = pl.col("kind") if file.kind == "events" else pl.lit(KIND_OF[file.kind])
        yield FileContent(batch=batch_of(_events(good, kind, at, file.columns), now_ns, _refused(bad)))


def _month(path: Path, declaration: Declaration, as_of_ns: int | None, now_ns: int) -> Iterator[FileContent]:
    """Rows of a month, each of which was shown and says whether it was clicked."""
    key, time, label = declaration.key, declaration.time, declaration.label
    if key is None:
        raise ValueError(
            f"{path} has the columns of {declaration.name}, which has no column with role key, so nobody can tell which "
            "answers its rows are about; send prediction_id and row with the labels (docs/feedback.md)"
        )
    if declaration.unfold is not None:
        raise ValueError(
            f"{path} has the columns of {declaration.name}, whose rows hold lists of impressions, and a list's key does not "
            "tell which answer is about which of them; send prediction_id and row with the labels (docs/feedback.md)"
        )
    tables = side_tables(RAW_DIR / SHARED, declaration) if declaration.source.joins else ()
    contract = contract_of(replace(declaration, images=None), tables, None)
    optional = frozenset(column.name for column in declaration.leave_out)
    for _, chunk in read_partition([path], declaration, main_columns(declaration, tables), optional):
        good, bad = _checked(contract, chunk, path)
        own_ns = pl.lit(None, pl.Int64) if time is None else _nanoseconds(time.name)
        events = good.select(
            pl.col(ROW).cast(pl.Int64).alias("place"),
            kind=pl.lit(LABEL),
            prediction_id=pl.lit(None, pl.String),
            row=pl.lit(None, pl.Int64),
            key=pl.col(key.name).cast(pl.String),
            at_ns=own_ns,
            clicked=pl.col(label.name).cast(pl.Int64),
        )
        batch = batch_of(events, now_ns, _refused(bad))
        last_ns = batch.events["at_ns"].max()
        said = batch.events if as_of_ns is None else batch.events.with_columns(at_ns=pl.lit(as_of_ns, pl.Int64))
        yield FileContent(batch=replace(batch, events=said), last_ns=last_ns)  # type: ignore[arg-type]


def _checked(contract: Contract, chunk: Chunk, path: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    try:
        return contract.check(chunk)
    except SourceError as error:
        raise SourceError(f"{path}: {error}") from error


def _events(rows: pl.DataFrame, kind: pl.Expr, at: pl.Expr, columns: tuple[str, ...]) -> pl.DataFrame:
    given = {name: pl.col(name) if name in columns else pl.lit(None) for name in ("prediction_id", "row", "key", "clicked")}
    return rows.select(pl.col(ROW).alias("place"), kind=kind, at_ns=at, **given).select(
        pl.col(name).cast(dtype) for name, dtype in EVENTS.items()
    )


def _nanoseconds(name: str) -> pl.Expr:
    """Of a column of TIMES or of a data set's time; a time that no 64 bits of nanoseconds hold is beyond all others."""
    if name == "at_ms":
        return pl.col(name).clip(-LARGEST_MS, LARGEST_MS) * NS_OF_MS
    return pl.col(name).dt.epoch("us").clip(-LARGEST_MS * 1000, LARGEST_MS * 1000) * 1000


def _refused(rejected: pl.DataFrame) -> pl.DataFrame:
    """Rows that the contract rejected, as REFUSED."""
    return rejected.select(pl.col("row").cast(pl.Int64).alias("place"), "column", "rule", "value").cast(REFUSED)  # type: ignore[arg-type]
