"""Measures speed, memory and quality: `python -m bench [--only PART ...]`

writes docs/benchmarks.json and, from it, docs/benchmarks.md.

Every measurement is a process in a temporary copy of the project; the checkout's own data is read by `noop` only.
"""

import argparse
import sys

import torch

from bench import (
    memory,
    noop,
    quality,
    quality_tables,
    serve_start,
    serving,
    simulate,
    train_gpu,
    train_portable,
    train_resident,
    train_together,
    validate_encode,
)
from bench.parts import Part, run_parts
from bench.table import JSON_PATH, TABLE_PATH

PARTS: dict[str, Part] = {
    "noop": noop.measure,
    "validate_encode": validate_encode.measure,
    "simulate": simulate.measure,
    "memory": memory.measure,
    "train_resident": train_resident.measure,
    "train_together": train_together.measure,
    "train_portable": train_portable.measure,
    "train_gpu": train_gpu.measure,
    "serve_start": serve_start.measure,
    "serving": serving.measure,
    "quality": quality.measure_sets,
    "quality_tables": quality_tables.measure,
    "quality_large": quality.measure_large,
}
ORDER = [
    "noop",
    "validate_encode",
    "memory",
    "train_resident",
    "train_together",
    "train_portable",
    "train_gpu",
    "peers",
    "serve_start",
    "serving",
    "bench-serving",
    "capacity",
    "soak",
    "spike",
    "compare",
    "quality",
    "quality_tables",
    "quality_large",
    "simulate",
]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure the pipeline; results go to docs/.")
    parser.add_argument("--only", nargs="+", choices=PARTS, metavar="PART", help=f"parts to renew: {', '.join(PARTS)}")
    wanted = parser.parse_args().only or [name for name in PARTS if name != "train_gpu" or torch.cuda.is_available()]
    parts = {name: (part, f"python -m bench --only {name}") for name, part in PARTS.items()}
    failed = run_parts(parts, wanted, JSON_PATH, TABLE_PATH, ORDER)
    print(f"bench: {len(wanted) - failed} of {len(wanted)} parts measured, written to {TABLE_PATH}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
