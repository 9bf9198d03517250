"""Runs `main` of one stage in this process and prints what its imports and what its work took.

`python -m bench.pipeline.timed_stage NAME`, in the folder that holds params.yaml."""

if __name__ == "__main__":  # before matplotlib is imported, which some stages do
    from contracts.local_libraries import keep_matplotlib_here

    keep_matplotlib_here()

import contextlib
import json
import sys
import time
from importlib import import_module

from stages.entry import run_stage


def main() -> None:
    name = sys.argv[1]
    started = time.perf_counter()
    stage = import_module(f"stages.{name}")
    imported = time.perf_counter()
    with contextlib.redirect_stdout(sys.stderr):
        run_stage(stage.main)
    done = time.perf_counter()
    print(json.dumps({"import_s": imported - started, "work_s": done - imported}))


if __name__ == "__main__":
    main()
