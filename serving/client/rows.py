"""A caller's table as the declaration wants it: the columns that the model takes, checked by the contract of training."""

import sys
from dataclasses import replace
from typing import Any, cast

import numpy as np
import polars as pl
import pyarrow as pa

from contracts.dataset.columns import Column
from contracts.dataset.origin import in_declared_unit
from contracts.dataset.source import Format
from contracts.serving.request import RequestSpec
from contracts.tables.chunk import ROW, Chunk
from contracts.tables.contract import Contract
from contracts.tables.number_cells import without_decimal256
from serving.client.errors import BrokenRows
from serving.triton.refusal import FITS_INT64, bound, refused_value

SHOWN_VALUES = 8  # of the allowed ones that a message lists
HELD_EXACTLY = "a float below 2^53 (float32: 2^24), since larger ones may have been other numbers; send whole numbers or text"
NO_RULES: dict[str, Any] = {"nullable": True, "min": None, "max": None, "values": None, "pattern": None, "max_length": None}


def column_names(frame: Any) -> list[str]:
    """Names of a Polars, pandas or Arrow table's columns. Raises TypeError for anything else."""
    if isinstance(frame, pa.Table | pa.RecordBatch):
        return list(frame.schema.names)
    pandas = sys.modules.get("pandas")  # whoever has a pandas frame has imported it
    if isinstance(frame, pl.DataFrame) or (pandas is not None and isinstance(frame, pandas.DataFrame)):
        return list(frame.columns)
    raise TypeError(f"rows must be a Polars or pandas DataFrame or an Arrow table, got {type(frame).__qualname__}")


def needed_columns(request: RequestSpec, names: list[str]) -> tuple[Column, ...]:
    """The columns to take out of a table with these names, and those to compute from them.

    A derived column is computed where its time is given, as in training, and else taken as it is. Raises ValueError that
    names the missing columns.
    """
    found: list[Column] = []
    instants: dict[str, Column] = {}
    missing: list[str] = []
    whole = {column.name for column in needed_lists(request, names)}
    for column in request.columns:
        if column.slot_of in whole:
            found.append(column)
        elif column.instants and all(name in names for name in column.instants):
            instants |= {c.name: c for c in request.instants if c.name in column.instants}
            found.append(column)
        elif column.name in names:
            given = column.derive_from is not None or column.unique
            found.append(replace(column, derive_from=None, part=None, minus=None, unit=None, unique=False) if given else column)
        else:
            times = " and ".join(f"'{name}'" for name in column.instants)
            other = f" (or {times}, from which it is computed)" if times else ""
            other = f" ({column.so_far.meaning}, which the caller counts)" if column.so_far is not None else other
            other = f" (or '{column.slot_of}', a list)" if column.slot_of is not None else other
            missing.append(f"'{column.name}'{other}")
    if missing:
        raise ValueError(
            f"the rows lack {'columns' if len(missing) > 1 else 'column'} {', '.join(missing)}, which the model takes"
        )
    twice = next((name for name in (*instants, *whole, *(c.name for c in found)) if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"the rows have column '{twice}' twice; give each column its own name")
    return (*instants.values(), *found)


def needed_lists(request: RequestSpec, names: list[str]) -> tuple[Column, ...]:
    """The columns with several values that a table with these names holds as a whole, instead of their slots."""
    return tuple(column for column in request.lists if column.name in names)


def as_polars(frame: Any, names: list[str]) -> pl.DataFrame:
    """These columns as Polars has them, categories as strings. Raises ValueError if Polars cannot hold one."""
    held = isinstance(frame, pl.DataFrame)
    rows = frame.select(names) if held else pl.DataFrame([_as_series(frame, name) for name in names])
    return rows.with_columns(_as_text(cells) for cells in rows if cells.dtype in (pl.Categorical, pl.Enum, pl.Binary, pl.Object))


def _as_text(cells: pl.Series) -> pl.Series:
    try:
        return cells.cast(pl.String)
    except pl.exceptions.PolarsError:
        raise ValueError(f"column '{cells.name}' holds {cells.dtype} that is no text; give it one type") from None


def _as_series(frame: Any, name: str) -> pl.Series:
    try:
        is_arrow = isinstance(frame, pa.Table | pa.RecordBatch)
        cells = frame.column(name) if is_arrow else _of_pandas(frame[name])
        found = cast(pl.DataFrame, pl.from_arrow(without_decimal256(pa.table({name: cells}))))
        return found.to_series().alias(name)
    except (pa.ArrowException, pl.exceptions.PolarsError, TypeError, ValueError) as error:
        reason = str(error).strip().split("\n")[0]
        raise ValueError(f"column '{name}' holds what no column can ({reason}); give it one type") from None


def _of_pandas(cells: Any) -> pa.Array | pa.ChunkedArray:
    try:
        return pa.array(cells, from_pandas=True)
    except OverflowError:  # whole numbers of Python's own, one of them longer than 64 bits
        return pa.array([_spelt(cell) for cell in cells.where(cells.notna(), None)], pa.string())


def _spelt(cell: Any) -> str | None:
    if not isinstance(cell, int | str | None):
        raise TypeError(f"whole numbers beside {type(cell).__name__}")
    return None if cell is None else str(cell)


def as_given(column: Column, kind: pl.DataType) -> Column:
    """The column where its cells are of this type: numbers are in the declared unit, only a text can bear the suffix."""
    return column if kind == pl.String or column.suffix is None else in_declared_unit(column)


def contract_for(columns: tuple[Column, ...], lists: tuple[Column, ...] = ()) -> Contract:
    """The contract of rows that hold these columns, written in the usual way: decimal point, no thousands mark."""
    return Contract(columns=columns, formats={column.name: Format() for column in (*columns, *lists)}, lists=lists)


def typed(rows: pl.DataFrame, columns: tuple[Column, ...], check: bool, lists: tuple[Column, ...] = ()) -> pl.DataFrame:
    """The columns with their declared types. Raises BrokenRows where `check` finds a value that its column does not allow.

    Without it only what cannot be read as the declared type is refused. The rows hold `lists` instead of their slots.
    """
    kinds = rows.schema
    columns = tuple(as_given(column, kinds.get(column.name, pl.String())) for column in columns)
    if not check and not lists and all(_is_typed(column, kinds) for column in columns):
        return rows
    wanted = columns if check else tuple(replace(column, **NO_RULES) for column in columns)
    whole = lists if check else tuple(replace(column, **NO_RULES) for column in lists)
    numbered = rows.with_columns(pl.Series(ROW, np.arange(len(rows)), dtype=pl.UInt32))
    good, bad = contract_for(wanted, whole).check(Chunk(rows=numbered))
    if len(bad):
        raise BrokenRows(broken_sentence(rows, (*columns, *lists), bad), bad)
    return good


def _is_typed(column: Column, kinds: pl.Schema) -> bool:
    """Can the column be packed as it is."""
    if column.derive_from is not None or column.dtype == "datetime":
        return False
    kind = kinds[column.name]
    fits = {"string": kind == pl.String, "int": kind.is_integer(), "float": kind.is_numeric(), "bool": kind == pl.Boolean}
    return fits[column.dtype]


def broken_sentence(rows: pl.DataFrame, columns: tuple[Column, ...], rejected: pl.DataFrame) -> str:
    """The first rejected row as the server would word it, and how many more there are."""
    first = rejected.row(0, named=True)
    column = next(c for c in columns if c.name == first["column"])
    value = rows[first["column"]][first["row"]] if first["column"] in rows.columns and not column.is_list else first["value"]
    shown = "" if value is None else value
    sentence = str(refused_value(column.name, first["row"], shown, first["rule"], expectation(column, first["rule"])))
    more = f" (and {len(rejected) - 1} more of {len(rows)} rows are broken)" if len(rejected) > 1 else ""
    return sentence + more


def expectation(column: Column, rule: str) -> str:
    """What the rule allows, in words."""
    if rule == "values":
        values = column.values or ()
        shown = ", ".join(str(value) for value in values[:SHOWN_VALUES])
        return f"one of {shown}" + (f" and {len(values) - SHOWN_VALUES} more" if len(values) > SHOWN_VALUES else "")
    if rule == "dtype":
        behind = "" if column.suffix is None else f" with {column.suffix!r} behind it"
        kinds = {"int": f"a whole number{behind}", "float": f"a number{behind}", "bool": "true or false", "string": "text"}
        return kinds.get(column.dtype) or f"a time {f'written as {column.format}' if column.format else 'in ISO 8601'}"
    return {
        "not_null": "a value is required",
        "int64": FITS_INT64,
        "exact": HELD_EXACTLY,
        "finite": "a finite number",
        "min": f"at least {bound(column.min)}" if column.min is not None else "",
        "max": f"at most {bound(column.max)}" if column.max is not None else "",
        "pattern": f"text that matches {column.pattern}",
        "max_length": f"at most {column.max_length} characters",
    }.get(rule, "the declaration says more")
