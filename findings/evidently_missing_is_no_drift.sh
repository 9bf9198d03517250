#!/usr/bin/env bash
# Evidently 0.7.23, DataDriftPreset with its defaults, two tables of 5,000 rows: a column that was never missing and now is in nine rows of
# ten is not called drifted (a distance of 0.003: missing values are left out before the comparison), while a column of 3,000 ids, drawn
# from the same shares in both tables, is called drifted (0.43; the threshold is 0.1 whatever the number of rows). Both are a
# Jensen-Shannon distance. An environment of 0.9 GB; events are switched off by DO_NOT_TRACK. Needs no network once the packages are
# installed. Exits with 1 if anything of this has changed.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check evidently==0.7.23 numpy==2.4.6 pandas==2.3.3
cd "$work"
HOME=$work DO_NOT_TRACK=1 "$work/venv/bin/python" -W ignore - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset

print(f"evidently {version('evidently')}, pandas {pd.__version__}")
ROWS = 5_000
rng = np.random.default_rng(0)


def table(missing):
    device = rng.choice(["phone", "desktop", "tablet"], ROWS, p=[0.6, 0.3, 0.1]).astype(object)
    device[rng.random(ROWS) < missing] = None
    return pd.DataFrame({"device": device, "user": [f"user {number}" for number in rng.integers(3_000, size=ROWS)]})


def dataset(rows):
    return Dataset.from_pandas(rows, data_definition=DataDefinition(categorical_columns=["device", "user"]))


reference, now = dataset(table(0.0)), dataset(table(0.9))
_, *columns = Report([DataDriftPreset()]).run(now, reference).dict()["metrics"]
changed = False
for metric in columns:
    config, score = metric["config"], float(metric["value"])
    seen = "drifted" if score >= config["threshold"] else "not drifted"
    expected = {"device": "not drifted", "user": "drifted"}[config["column"]]
    about = {"device": "missing in 90 %", "user": "unchanged"}[config["column"]]
    print(f"{config['column']} ({about}): {config['method']} {score:.3f}, {seen}; when this was written {expected}")
    changed |= seen != expected or config["method"] != "Jensen-Shannon distance"
if changed or len(columns) != 2:
    print("what was seen is not what it was: Evidently behaves otherwise than when this was written")
sys.exit(changed or len(columns) != 2)
PYTHON
