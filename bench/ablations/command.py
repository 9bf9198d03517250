"""The command line of the benches of trainings: how large a month is, which seeds, and other settings."""

import argparse
from collections.abc import Callable, Sequence

from bench.figures import Figure
from bench.parts import run_parts
from bench.table import JSON_PATH, ORDER, TABLE_PATH

ROWS_PER_MONTH = 200_000
Measure = Callable[[int, tuple[int, ...], list[str]], list[Figure]]  # rows of a month, seeds, overrides


def bench_training(
    name: str, description: str, seeds: str, usual: Sequence[int], measure: Measure, rows: int = ROWS_PER_MONTH
) -> int:
    """Measure by the arguments of this program; how many parts failed. `seeds` is what the option for them is called."""
    parser = argparse.ArgumentParser(prog=f"make {name}", description=description)
    parser.add_argument("--rows", type=int, default=rows, help="a month (default: %(default)s)")
    parser.add_argument(f"--{seeds}", dest="seeds", type=int, nargs="+", default=list(usual), help="their seeds")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="other settings; then nothing is written")
    args = parser.parse_args()
    if not args.set:
        part = (lambda: measure(args.rows, tuple(args.seeds), []), f"make {name}")
        return min(1, run_parts({name: part}, [name], JSON_PATH, TABLE_PATH, ORDER))
    for row in measure(args.rows, tuple(args.seeds), args.set):
        print(f"{row.what}: {row.figure}{f' (bar {row.bar}: {row.met})' if row.bar else ''}", flush=True)
    return 0
