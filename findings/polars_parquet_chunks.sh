#!/usr/bin/env bash
# polars 2.1.0 writes other Parquet bytes for an equal frame that lies in memory in other chunks, once it is large enough for several
# row groups: these then end where chunks end (300,000 rows: three groups of 100,000, or with five chunks 120,000, 120,000, 60,000).
# Rechunked, the bytes are the same, and so they are for one row group (100,000 rows).
# Writes to memory alone, and needs no network once the packages are installed. Exits with 1 if anything of this has changed.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check polars==2.1.0
"$work/venv/bin/python" - <<'PYTHON'
import io
import platform
import sys

import polars as pl

print("polars", pl.__version__, "on", platform.system(), platform.machine())


def written(frame: pl.DataFrame) -> bytes:
    stream = io.BytesIO()
    frame.write_parquet(stream)
    return stream.getvalue()


changed = False
for num_rows, expected in ((1_000, "the same"), (100_000, "the same"), (300_000, "other")):
    whole = pl.DataFrame({"id": range(num_rows), "site": [f"site {i % 7}" for i in range(num_rows)]}).rechunk()
    size = -(-num_rows // 5)
    pieces = pl.concat([whole[start : start + size] for start in range(0, num_rows, size)], rechunk=False)
    assert whole.equals(pieces) and (whole.n_chunks(), pieces.n_chunks()) == (1, 5)
    for what, other, expected_bytes in (("5 chunks", pieces, expected), ("5 made 1", pieces.rechunk(), "the same")):
        seen = "the same" if written(whole) == written(other) else "other"
        print(f"{num_rows:>6} rows, 1 chunk and {what}: expected {expected_bytes:<8} bytes, seen {seen}")
        changed |= seen != expected_bytes
if changed:
    print("what was seen is not what was expected: polars behaves otherwise than when this was written")
sys.exit(changed)
PYTHON
