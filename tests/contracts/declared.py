"""Small declarations and files for tests of the contract, made in code."""

from pathlib import Path
from typing import Any

import polars as pl
from pydantic import TypeAdapter

from contracts.dataset.declaration import Declaration
from contracts.tables.contract import contract_of
from contracts.tables.joins import SideTable
from contracts.tables.raw import main_columns, read_partition

LABEL = {"name": "y", "role": "label", "dtype": "int"}
FEATURE = {"name": "c", "role": "categorical", "dtype": "string"}


def declared(*columns: dict[str, Any], **more: Any) -> Declaration:
    """A declaration of the columns; `source` and `split` are given only where they matter."""
    values = {
        "name": "small",
        "source": {"kind": "files", "path": ".", "files": ["*.csv"]} | more.pop("source", {}),
        "split": {"by": "random", "val_frac": 0.2, "test_frac": 0.2},
        "columns": list(columns),
    }
    return TypeAdapter(Declaration).validate_python(values | more)


def check_file(
    path: Path, declaration: Declaration, tables: tuple[SideTable, ...] = (), images: frozenset[str] | None = None
) -> tuple[pl.DataFrame, list[tuple[Any, ...]]]:
    """Clean rows, and rejected ones as (row, column, rule, value, num_broken)."""
    contract = contract_of(declaration, tables, images)
    expected = main_columns(declaration, tables)
    parts = [contract.check(chunk) for _, chunk in read_partition([path], declaration, expected, frozenset())]
    return pl.concat([clean for clean, _ in parts]), [row for _, bad in parts for row in bad.rows()]


def check_text(
    tmp_path: Path, content: str | bytes, *columns: dict[str, Any], known: frozenset[str] | None = None, **more: Any
) -> tuple[pl.DataFrame, list[tuple[Any, ...]]]:
    """As `check_file`; `known` are the creatives that have an image."""
    path = tmp_path / "rows.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return check_file(path, declared(*columns, **more), images=known)
