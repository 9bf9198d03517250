"""How long `dvc repro` takes when nothing changed, in the current checkout, beside DVC where it has nothing to look at."""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.figures import Figure, at_most, in_turn, spread

RUNS = 5
BAR_S, BAR_RATIO = 3.0, 2.5
ALWAYS = {"data/dvc.yaml:follow"}  # stages that run every time
WHAT = "`dvc repro` with nothing to do"
DVC = str(Path(sys.executable).with_name("dvc"))


def measure() -> list[Figure]:
    """Two rows; one without a measurement if the checkout is not reproduced, since measuring would then run stages."""
    status = subprocess.run([DVC, "status", "--json"], capture_output=True, text=True, check=False)
    if status.returncode or set(json.loads(status.stdout or "{}")) - ALWAYS:
        return [Figure(what=WHAT, figure="not measured: the checkout is not reproduced; run `make repro` first", bar="<= 3 s")]
    with tempfile.TemporaryDirectory(prefix="adclick-bench-") as empty:
        subprocess.run(["git", "init", "--quiet", empty], check=True)
        subprocess.run([DVC, "init", "--quiet"], cwd=empty, check=True)
        walls = in_turn(lambda: wall_s("repro"), lambda: wall_s("status", empty), RUNS)
    ratio = f"{walls.shown()}, which takes {spread(walls.theirs, 's', 2)}"
    return [
        at_most(WHAT, sorted(walls.ours)[RUNS // 2], BAR_S, spread(walls.ours, "s", 2), "<= 3 s"),
        at_most("the same by `dvc status` in an empty repository", walls.ratio, BAR_RATIO, ratio, "<= 2.5x"),
    ]


def wall_s(command: str, folder: str = ".") -> float:
    started = time.perf_counter()
    subprocess.run([DVC, command], cwd=folder, capture_output=True, check=True)
    return time.perf_counter() - started
