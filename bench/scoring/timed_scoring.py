"""Scores a file or folder in this process, after a pass that warms it up, and prints what that took; start-up is not counted.

`python -m bench.scoring.timed_scoring MODEL INPUT OUTPUT WARM_UP`, with the code to be timed first on PYTHONPATH: it uses what
older builds of stages.score have too.
"""

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import TypeAdapter

from contracts.dataset.declaration import Declaration
from stages.files import read_json
from stages.score import find_input, find_tables, score_files
from stages.scoring.scorer import Scorer


def main() -> None:
    pl.Config.set_engine_affinity("in-memory")  # as stage score does
    model, source, output, warm_up = map(Path, sys.argv[1:])
    score(model, warm_up, output.with_stem("warm-up"))
    print(json.dumps(score(model, source, output)))


def score(model: Path, source: Path, output: Path) -> dict[str, float]:
    """Rows, and the seconds from finding the input to the last row written: by the clock, of the processor, and of these the
    ranker's.
    """
    declaration = TypeAdapter(Declaration).validate_python(read_json(model / "declaration.json"))
    scorer, rejected = RankTimed(model), output.with_suffix(".quarantine.csv")
    began, began_cpu = time.perf_counter(), cpu_s()
    files, images = find_input(source, declaration)
    tables = find_tables(source, declaration, model)
    counts = score_files(files, images, declaration, tables, scorer, None, output, output.suffix, rejected)
    took = {"wall_s": time.perf_counter() - began, "cpu_s": cpu_s() - began_cpu}
    return {"rows": counts["raw"], "rank_s": sum(scorer.rank_s), **took}


class RankTimed(Scorer):
    """A scorer that keeps what its threads spend in the ranker."""

    def __init__(self, export_dir: Path) -> None:
        super().__init__(export_dir)
        self.rank_s: list[float] = []

    def _rank(self, *args: Any) -> Any:
        began = time.thread_time()
        found = super()._rank(*args)
        self.rank_s.append(time.thread_time() - began)
        return found


def cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
