#!/usr/bin/env bash
# Two Arrow IPC streams, written one after the other into one file, as a writer does that appends after each restart: pyarrow 26.0.1 and
# polars 2.1.0 return the rows of the first stream and end there, without an error, whatever follows it. Whoever appends to such a file
# loses all but the first part at reading. pyarrow does read on if it is asked again where the first stream ended, so nothing is damaged.
# Works in memory, and needs no network once the packages are installed. Exits with 1 if anything of this has changed.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check polars==2.1.0 pyarrow==26.0.1
"$work/venv/bin/python" - <<'PYTHON'
import io
import sys

import polars as pl
import pyarrow as pa
from pyarrow import ipc

print(f"pyarrow {pa.__version__}, polars {pl.__version__}")
SCHEMA = pa.schema([("click", pa.int64())])
written = io.BytesIO()
for cells in ([1, 2], [3, 4, 5]):
    with ipc.new_stream(written, SCHEMA) as stream:
        stream.write_table(pa.table({"click": cells}, schema=SCHEMA))


def one_after_the_other():
    source, cells = pa.BufferReader(written.getvalue()), []
    while source.tell() < source.size():
        cells += ipc.open_stream(source).read_all()["click"].to_pylist()
    return cells


changed = False
for what, expected, read in (
    ("pyarrow", [1, 2], lambda: ipc.open_stream(written.getvalue()).read_all()["click"].to_pylist()),
    ("polars", [1, 2], lambda: pl.read_ipc_stream(written.getvalue())["click"].to_list()),
    ("pyarrow, asked again until the end", [1, 2, 3, 4, 5], one_after_the_other),
):
    seen = read()
    print(f"{what:36} of [1, 2] and [3, 4, 5]: seen {seen}, when this was written {expected}")
    changed |= seen != expected
if changed:
    print("what was seen is not what it was: one of them behaves otherwise than when this was written")
sys.exit(changed)
PYTHON
