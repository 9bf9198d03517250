"""Measures speed, memory and quality: `python -m bench [--only PART ...]`

writes docs/benchmarks.json and, from it, docs/benchmarks.md.

Every measurement is a process in a temporary copy of the project; the checkout's own data is read by `noop` only.
"""

import argparse
import sys

import torch

from bench.gpu import rows
from bench.journal import images
from bench.parts import Part, run_parts
from bench.pipeline import champion, many_images, memory, noop, quality, quality_tables, simulate, validate_encode
from bench.scoring import beside_older
from bench.served import start
from bench.table import JSON_PATH, ORDER, TABLE_PATH
from bench.training import gpu, portable, resident, together

PARTS: dict[str, Part] = {
    "noop": noop.measure,
    "validate_encode": validate_encode.measure,
    "simulate": simulate.measure,
    "scoring": beside_older.measure,
    "memory": memory.measure,
    "many_images": many_images.measure,
    "champion": champion.measure,
    "train_resident": resident.measure,
    "train_together": together.measure,
    "train_portable": portable.measure,
    "train_gpu": gpu.measure,
    "gpu_check": rows.measured,
    "serve_start": start.measure,
    "serving": images.measure,
    "quality": quality.measure_sets,
    "quality_tables": quality_tables.measure,
    "quality_large": quality.measure_large,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure the pipeline; results go to docs/.")
    parser.add_argument("--only", nargs="+", choices=PARTS, metavar="PART", help=f"parts to renew: {', '.join(PARTS)}")
    here = {"train_gpu": torch.cuda.is_available(), "gpu_check": rows.RESULTS.is_file()}
    wanted = parser.parse_args().only or [name for name in PARTS if here.get(name, True)]
    parts = {name: (part, f"python -m bench --only {name}") for name, part in PARTS.items()}
    failed = run_parts(parts, wanted, JSON_PATH, TABLE_PATH, ORDER)
    print(f"bench: {len(wanted) - failed} of {len(wanted)} parts measured, written to {TABLE_PATH}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
