"""The month's file against what was served, column by column: how many rows are different, which, and what explains it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from contracts.dataset.declaration import Declaration
from contracts.lifecycle.monitor import SkewConfig
from lifecycle.locking import alone
from lifecycle.monitor.skew.causes.explain import explain, whereabouts
from lifecycle.monitor.skew.joined import JoinedSides, SkewColumn, joined
from lifecycle.monitor.skew.journalled import hashing, read_hidings
from lifecycle.monitor.skew.month_file import write_month

FOLDER, LOCK, WORK = "skew", "skew.lock", "work"  # below the monitor's folder


@dataclass(frozen=True, kw_only=True)
class SkewedColumn:
    """One column of all rows that both sides have."""

    name: str
    compared: int
    different: int
    kind: str = ""  # of the explanation; empty if nothing is different
    text: str = ""
    explained: float = 0.0  # share of the different rows
    where_column: str | None = None  # the differences keep to one value of another column
    where_value: str | None = None
    first_ns: int | None = None  # the first and the last answer with a difference
    last_ns: int | None = None
    examples: tuple[dict[str, Any], ...] = ()

    @property
    def share(self) -> float:
        return self.different / self.compared


@dataclass(frozen=True, kw_only=True)
class SkewReport:
    at_ns: int
    source: str  # the file or folder
    rows: int
    rejected: int
    rules: dict[str, int]
    matched: int
    only_file: int
    only_served: int
    again: int
    absent: tuple[str, ...]
    columns: tuple[SkewedColumn, ...]
    first_ns: int  # the first and the last answer that was compared
    last_ns: int

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def skew_from(values: dict[str, Any]) -> SkewReport:
    """The report that `as_dict` made these values of, read from JSON."""
    columns = tuple(SkewedColumn(**{**one, "examples": tuple(one["examples"])}) for one in values["columns"])
    return SkewReport(**{**values, "columns": columns, "absent": tuple(values["absent"])})


def compare_sides(
    given: Path, journal: Path, declaration: Declaration, config: SkewConfig, state: Path, key_file: Path, now_ns: int
) -> SkewReport:
    """Raises ValueError where there is nothing to compare, or another process compares."""
    hidings = read_hidings(journal)
    hidden = hashing(hidings, key_file)
    with workplace(state / FOLDER) as folder:
        month = write_month(given, declaration, folder / "month.parquet", hidden)
        with joined(month.clean, journal, declaration, hidings.columns, folder, config.memory_mib) as sides:
            first, last = sides.frame("SELECT epoch_ns(min(answered_at)), epoch_ns(max(answered_at)) FROM both_sides").row(0)
            return SkewReport(
                at_ns=now_ns, source=str(given), rows=month.rows, rejected=month.rejected, rules=month.rules,
                matched=sides.matched, only_file=sides.only_file, only_served=sides.only_served, again=sides.again,
                absent=tuple(sides.absent),
                columns=tuple(_column(sides, one, config) for one in sides.columns), first_ns=first, last_ns=last,
            )  # fmt: skip


def _column(sides: JoinedSides, one: SkewColumn, config: SkewConfig) -> SkewedColumn:
    different, first, last = sides.frame(
        f"SELECT count(*), epoch_ns(min(answered_at)), epoch_ns(max(answered_at)) FROM both_sides WHERE {one.different}"
    ).row(0)
    if not different:
        return SkewedColumn(name=one.name, compared=sides.matched, different=0)
    cause = explain(sides, one, config.explained)
    where = whereabouts(sides, one, config.explained)
    return SkewedColumn(
        name=one.name,
        compared=sides.matched,
        different=different,
        kind=cause.kind,
        text=cause.text,
        explained=cause.share,
        where_column=None if where is None else where.column,
        where_value=None if where is None else where.value,
        first_ns=first,
        last_ns=last,
        examples=tuple(_examples(sides, one, config.examples)),
    )


def _examples(sides: JoinedSides, one: SkewColumn, number: int) -> Iterator[dict[str, Any]]:
    rows = sides.frame(
        f"""SELECT key, file_{one.place} AS file, served_{one.place} AS served, prediction_id, answer_row AS row,
            CAST(release AS BIGINT) AS release, strftime(answered_at AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%SZ') AS answered_at
        FROM both_sides WHERE {one.different} ORDER BY hash(key) LIMIT {number}"""
    )
    for row in rows.iter_rows(named=True):
        shortest = {side: float(str(np.float32(row[side]))) for side in ("file", "served") if isinstance(row[side], float)}
        yield row | shortest  # float32, so 1.26 and not 1.2599999904632568


@contextmanager
def workplace(folder: Path) -> Iterator[Path]:
    """An empty folder to work in, which is removed then; what a killed comparison left is removed too. Raises ValueError."""
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder / LOCK, f"another process compares a month's file in {folder}; wait for it, or stop it"):
        work = folder / WORK
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        try:
            yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)
