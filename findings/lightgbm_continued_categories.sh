#!/usr/bin/env bash
# LightGBM 4.7.0, training that goes on from an earlier booster (init_model) with a pandas column of dtype category: trees know categories by
# their code. If a new month brings a value that sorts before the others and the column is made anew, all codes move by one, and the old
# trees answer with another category's rate: probabilities differ by 0.67 here, and nothing is said. With the old categories in their old
# order, and new ones behind them, the old answers stay as they were (to 1e-9).
# Needs no network once the packages are installed. Exits with 1 if anything of this has changed.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check lightgbm==4.7.0 numpy==2.4.6 pandas==3.1.1
"$work/venv/bin/python" -W error - <<'PYTHON'
import sys

import lightgbm as lgb
import numpy as np
import pandas as pd

print(f"lightgbm {lgb.__version__}, pandas {pd.__version__}")
RATES = {"bank": 0.05, "cars": 0.5, "dogs": 0.1, "eggs": 0.8, "fish": 0.2, "golf": 0.9}
SETTINGS = {"objective": "binary", "seed": 0, "num_threads": 1, "cat_smooth": 1, "min_data_per_group": 1, "num_leaves": 3}
NEXT_TO_NOTHING = SETTINGS | {"learning_rate": 1e-9}
rng = np.random.default_rng(0)
sites = rng.choice(list(RATES), 20_000)
clicks = rng.random(20_000) < np.vectorize(RATES.get)(sites)


def frame(values, categories):
    return pd.DataFrame({"site": pd.Categorical(values, categories=categories)})


old = sorted(RATES)
booster = lgb.train(SETTINGS, lgb.Dataset(frame(sites, old), clicks, free_raw_data=False), 30)
before = booster.predict(frame(sites[:2000], old))
all_sites, all_clicks = np.append(sites, ["apps"] * 500), np.append(clicks, [False] * 500)
changed = False
for what, categories, moved in (("sorted anew", sorted([*old, "apps"]), True), ("new ones behind", [*old, "apps"], False)):
    data = lgb.Dataset(frame(all_sites, categories), all_clicks, free_raw_data=False)
    after = lgb.train(NEXT_TO_NOTHING, data, 1, init_model=booster).predict(frame(sites[:2000], categories))
    difference = np.abs(after - before).max()
    seen = "other answers" if difference > 0.5 else "the same answers" if difference < 1e-8 else "in between"
    expected = "other answers" if moved else "the same answers"
    print(f"categories {what:16} largest difference of a probability {difference:.1e}: {seen}, when this was written {expected}")
    changed |= seen != expected
if changed:
    print("what was seen is not what it was: LightGBM behaves otherwise than when this was written")
sys.exit(changed)
PYTHON
