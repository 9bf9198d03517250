"""Keys above 2^53 meet their own rows of a side table and no others', in text and as floats of Parquet."""

import math
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from contracts.dataset.source import SourceError
from contracts.tables.raw import side_tables
from tests.contracts.declared import FEATURE, LABEL, check_file, declared

N = 2**53  # float64 holds N and N + 2, not N + 1
JOIN = {"files": "items.*", "key": "x"}
BROUGHT = {"name": "price", "role": "info", "dtype": "int"}


def joined(folder: Path, rows: pl.DataFrame, items: pl.DataFrame | str, brought: dict[str, Any] = BROUGHT, **join: Any) -> Any:
    """Clean x and price, and (row, column, rule) of the rejected rows."""
    if isinstance(items, str):
        (folder / "items.csv").write_text(items)
    else:
        items.write_parquet(folder / "items.parquet")
    rows.with_columns(c=pl.lit("a"), y=pl.lit(1)).write_parquet(folder / "rows.parquet")
    source = {"files": ["rows.parquet"], "joins": [JOIN | join]}
    declaration = declared({"name": "x", "role": "info", "dtype": "int"}, brought, FEATURE, LABEL, source=source)
    clean, rejected = check_file(folder / "rows.parquet", declaration, side_tables(folder, declaration))
    return clean.select("x", "price").rows(), [row[:3] for row in rejected]


def test_a_join_finds_the_row_of_its_own_key(tmp_path):
    rows = pl.DataFrame({"x": [f"{N + 1}.0", "9.007199254740992e15"]})
    assert joined(tmp_path, rows, f"x,price\n{N},1\n{N + 1},2\n") == ([(N + 1, 2), (N, 1)], [])


def test_a_key_that_may_have_been_another_finds_no_row(tmp_path):
    items = f"x,price\n{N},1\n5,2\n"
    assert joined(tmp_path, pl.DataFrame({"x": [float(N), 5.0]}), items) == ([(5, 2)], [(1, "x", "exact")])
    assert joined(tmp_path, pl.DataFrame({"x": [float(N), 5.0]}), items, optional=True) == ([(5, 2)], [(1, "x", "exact")])


def test_a_side_table_whose_keys_may_have_been_others_is_refused(tmp_path):
    rows, items = pl.DataFrame({"x": [5]}), pl.DataFrame({"x": [5.0, float(N)], "price": [1, 2]})
    with pytest.raises(SourceError, match="has x='9007199254740992.0', which cannot be read as int, .* may have been another"):
        joined(tmp_path, rows, items)
    items = pl.DataFrame({"x": pl.Series([5, 2**63], dtype=pl.UInt64), "price": [1, 2]})
    with pytest.raises(SourceError, match="has x='9223372036854775808', .* does not fit int64; declare the column as string"):
        joined(tmp_path, rows, items)


def test_what_a_side_table_brings_as_floats_is_exact_or_rejected(tmp_path):
    rows = pl.DataFrame({"x": [1, 2, 3, 4]})
    items = pl.DataFrame({"x": [1.0, 2.0, 3.0, 4.0], "price": [7.0, float(N), math.nan, None]})
    nullable = {**BROUGHT, "nullable": True}
    assert joined(tmp_path, rows, items, nullable) == ([(1, 7), (3, None), (4, None)], [(2, "price", "exact")])
    money = {"name": "price", "role": "numeric", "dtype": "float", "nullable": True}
    assert joined(tmp_path, rows, items, money)[0] == [(1, 7.0), (2, float(N)), (3, None), (4, None)]


def test_a_side_table_in_two_types_is_read_as_text_unless_that_would_be_another_number(tmp_path):
    rows = pl.DataFrame({"x": [1, 2, 3]})
    (tmp_path / "items.csv").write_text("x,price\n1,7\n")
    assert joined(tmp_path, rows, pl.DataFrame({"x": [2, 3], "price": [8.0, 9.0]})) == ([(1, 7), (2, 8), (3, 9)], [])
    with pytest.raises(
        SourceError, match="hold column 'price' in different types, one as floats with 9007199254740992.0: a float so"
    ):
        joined(tmp_path, rows, pl.DataFrame({"x": [2, 3], "price": [8.0, float(N)]}))
