#!/usr/bin/env bash
# deltalake 1.6.6 (delta-rs) checks a table's schema when rows are appended by casting to it: 1.7 and 2.2 go into an integer column as 1
# and 2, the texts "7" and "08" as 7 and 8, and a number into a text column, without an error and without schema_mode. A column that
# changed its unit from whole euros to euros and cents loses its cents in the table. A text that is no number is refused.
# Works in a temporary folder, and needs no network once the packages are installed. Exits with 1 if anything of this has changed.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check deltalake==1.6.6 pyarrow==26.0.1
cd "$work"
cat > look.py <<'PYTHON'
import sys
from importlib.metadata import version

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

print(f"deltalake {version('deltalake')}, pyarrow {pa.__version__}")
changed = False
for place, (what, table, expected) in enumerate((
    ("1.7 and 2.2 into integers", {"price": [1.7, 2.2], "site": ["c", "d"]}, {"price": [1, 1, 2], "site": ["a", "c", "d"]}),
    ("'7' and '08' into integers", {"price": ["7", "08"], "site": ["c", "d"]}, {"price": [1, 7, 8], "site": ["a", "c", "d"]}),
    ("5 into texts", {"price": [2], "site": [5]}, {"price": [1, 2], "site": ["a", "5"]}),
    ("'x' into integers", {"price": ["x"], "site": ["c"]}, "refused"),
)):
    folder = f"table-{place}"
    write_deltalake(folder, pa.table({"price": pa.array([1], pa.int64()), "site": ["a"]}))
    try:
        write_deltalake(folder, pa.table(table), mode="append")
        seen = DeltaTable(folder).to_pyarrow_table().sort_by([("price", "ascending"), ("site", "ascending")]).to_pydict()
    except Exception:
        seen = "refused"
    print(f"{what:28} seen {seen}, when this was written {expected}")
    changed |= seen != expected
if changed:
    print("what was seen is not what it was: deltalake behaves otherwise than when this was written")
sys.stdout.flush()
sys.exit(changed)
PYTHON
"$work/venv/bin/python" look.py
