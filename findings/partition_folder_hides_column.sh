#!/usr/bin/env bash
# A Parquet file with a column `hour` in a folder `hour=07` (Hive's way of naming partitions): polars 2.1.0, given the folder, and duckdb
# 2.0.1, given a glob, return the folder's 7 for every row, without a word that the file says 3 and 4; duckdb makes it a string. pyarrow
# 26.0.1 refuses, but if the types happen to agree it returns the folder's values too. Given the file itself, polars and pyarrow return
# what is in it, so two ways of reading one file disagree. Works in a temporary folder, and needs no network once the packages are
# installed. Exits with 1 if anything of this has changed.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check polars==2.1.0 pyarrow==26.0.1 duckdb==2.0.1
cd "$work"
cat > look.py <<'PYTHON'
import sys
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

print(f"polars {pl.__version__}, pyarrow {pa.__version__}, duckdb {duckdb.__version__}")
FOLDER, FILE = Path("served"), Path("served/hour=07/rows.parquet")
FILE.parent.mkdir(parents=True)
pq.write_table(pa.table({"hour": pa.array([3, 4], pa.int32())}), FILE)
changed = False


def look(what, expected, read):
    global changed
    try:
        seen = read()
    except Exception as error:
        seen = type(error).__name__
    print(f"{what:48} expected {expected!s:14} seen {seen}")
    changed |= seen != expected


look("polars, the file", [3, 4], lambda: pl.read_parquet(FILE)["hour"].to_list())
look("polars, the folder", [7, 7], lambda: pl.read_parquet(FOLDER)["hour"].to_list())
look("pyarrow, the folder as a table", "ArrowTypeError", lambda: pq.read_table(FOLDER)["hour"].to_pylist())
look("pyarrow, the folder as a data set, both int32", [7, 7], lambda: ds.dataset(FOLDER, partitioning="hive").to_table()["hour"].to_pylist())
look("duckdb, a glob", ["07", "07"], lambda: [row[0] for row in duckdb.sql("select hour from 'served/*/*.parquet'").fetchall()])
look("duckdb, hive_partitioning=false", [3, 4],
     lambda: [row[0] for row in duckdb.sql("select hour from read_parquet('served/*/*.parquet', hive_partitioning=false)").fetchall()])
if changed:
    print("what was seen is not what was expected: one of them behaves otherwise than when this was written")
sys.exit(changed)
PYTHON
"$work/venv/bin/python" look.py
