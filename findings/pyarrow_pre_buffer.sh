#!/usr/bin/env bash
# pyarrow's ParquetFile.iter_batches is the way to read a file that is larger than the memory. pyarrow 26.0.1 opens files with
# pre_buffer=True by default, and then the bytes of every column chunk that was read stay in memory until the file is closed: as much as
# the file has, however small the batches are. With pre_buffer=False a row group's bytes go once it is read.
# Needs no network once the package is installed. Exits with 1 if anything of this has changed.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check pyarrow==26.0.1
"$work/venv/bin/python" - "$work/rows.parquet" <<'PYTHON'
import os
import sys

import pyarrow as pa
import pyarrow.parquet as pq

print(f"pyarrow {pa.__version__}")
path, groups, rows, row_bytes = sys.argv[1], 32, 1024, 1024
with pq.ParquetWriter(path, pa.schema([("image", pa.binary())]), use_dictionary=False, compression="none") as writer:
    for _ in range(groups):
        writer.write_table(pa.table({"image": [os.urandom(row_bytes) for _ in range(rows)]}))


def most_held(**settings):
    """The most MiB that Arrow holds at once while batches of 64 rows are read and forgotten."""
    most = 0
    with pq.ParquetFile(path, **settings) as file:
        for _ in file.iter_batches(batch_size=64):
            most = max(most, pa.total_allocated_bytes())
    return most / 2**20


size, changed = os.path.getsize(path) / 2**20, False
for what, settings, holds_all in (("by default", {}, True), ("pre_buffer=False", {"pre_buffer": False}, False)):
    held = most_held(**settings)
    print(f"{what:17} holds {held:5.1f} MiB of a file of {size:.1f} MiB in {groups} row groups, when this was written "
          f"{'all of it' if holds_all else 'a few row groups'}")
    changed |= (held > 0.9 * size) != holds_all
if changed:
    print("what was seen is not what it was: pyarrow behaves otherwise than when this was written")
sys.exit(changed)
PYTHON
