"""How long `dvc repro` takes when nothing changed, in the current checkout."""

import json
import subprocess
import sys
import time
from pathlib import Path

from bench.figures import Figure, at_most, spread

RUNS = 5
BAR_S = 3.0
ALWAYS = {"follow"}  # stages that run every time
WHAT = "`dvc repro` with nothing to do"


def measure() -> list[Figure]:
    """One row; without a measurement if the checkout is not reproduced, since measuring would then run stages."""
    dvc = str(Path(sys.executable).with_name("dvc"))
    status = subprocess.run([dvc, "status", "--json"], capture_output=True, text=True, check=False)
    if status.returncode or set(json.loads(status.stdout or "{}")) - ALWAYS:
        return [Figure(what=WHAT, figure="not measured: the checkout is not reproduced; run `make repro` first", bar="<= 3 s")]
    walls_s = []
    for _ in range(RUNS):
        started = time.perf_counter()
        subprocess.run([dvc, "repro"], capture_output=True, check=True)
        walls_s.append(time.perf_counter() - started)
    median_s = sorted(walls_s)[RUNS // 2]
    return [at_most(WHAT, median_s, BAR_S, spread(walls_s, "s", 2), "<= 3 s")]
