#!/usr/bin/env bash
# duckdb 2.0.1, given a folder of Parquet files, takes every column's type from the first file's and casts the others to it: prices that
# are whole numbers in May and DOUBLE in June come back rounded (0.4 as 0, 2.7 as 3), and texts as numbers ("007" as 7), without a word;
# a total is wrong by what was rounded. Which file is first is a matter of names: read the other way round, nothing is lost. With
# union_by_name=true the wider type is taken. polars 2.1.0 and pyarrow 26.0.1 refuse both folders.
# Works in a temporary folder, and needs no network once the packages are installed. Exits with 1 if anything of this has changed.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check duckdb==2.0.1 polars==2.1.0 pyarrow==26.0.1
cd "$work"
cat > look.py <<'PYTHON'
import sys
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

print(f"duckdb {duckdb.__version__}, polars {pl.__version__}, pyarrow {pa.__version__}")
MONTHS = {"prices": (pa.array([1, 2]), pa.array([0.4, 2.7])), "ids": (pa.array([1, 2]), pa.array(["7", "007"]))}
for name, cells in MONTHS.items():
    Path(name).mkdir()
    for month, column in zip(("2026-05", "2026-06"), cells, strict=True):
        pq.write_table(pa.table({"cell": column}), f"{name}/{month}.parquet")
changed = False


def look(what, expected, read):
    global changed
    try:
        seen = read()
    except Exception as error:
        seen = type(error).__name__
    print(f"{what:38} seen {seen!s:24} when this was written {expected}")
    changed |= seen != expected


def asked(source):
    return [row[0] for row in duckdb.sql(f"select cell from {source}").fetchall()]


look("duckdb, whole numbers and prices", [1, 2, 0, 3], lambda: asked("'prices/*.parquet'"))
look("duckdb, the later file first", [0.4, 2.7, 1.0, 2.0], lambda: asked("read_parquet(['prices/2026-06.parquet', 'prices/2026-05.parquet'])"))
look("duckdb, union_by_name=true", [1.0, 2.0, 0.4, 2.7], lambda: asked("read_parquet('prices/*.parquet', union_by_name=true)"))
look("duckdb, whole numbers and texts", [1, 2, 7, 7], lambda: asked("'ids/*.parquet'"))
look("polars, whole numbers and prices", "SchemaError", lambda: pl.read_parquet("prices")["cell"].to_list())
look("pyarrow, whole numbers and prices", "ArrowInvalid", lambda: ds.dataset("prices").to_table()["cell"].to_pylist())
if changed:
    print("what was seen is not what it was: one of them behaves otherwise than when this was written")
sys.exit(changed)
PYTHON
"$work/venv/bin/python" look.py
