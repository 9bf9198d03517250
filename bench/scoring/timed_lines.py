"""Reads a file of JSON lines and checks it by the contract, plain lines column by column and all of them one by one, in turn, and
prints the rows a second of each: `python -m bench.scoring.timed_lines FILE PAIRS`, in a folder that holds params.yaml."""

import json
import sys
import time
from pathlib import Path
from unittest.mock import patch

import polars as pl

from bench.figures import in_turn
from contracts.dataset.declaration import Declaration
from contracts.tables.contract import contract_of
from contracts.tables.raw import main_columns, read_partition
from stages.settings import load_section

NONE_IS_PLAIN = sys.maxsize  # lines that are fewer are parsed


def main() -> None:
    pl.Config.set_engine_affinity("in-memory")  # as stage validate does
    path, pairs = Path(sys.argv[1]), int(sys.argv[2])
    declaration = load_section("data", Declaration)
    rate(path, declaration)
    found = in_turn(lambda: rate(path, declaration), lambda: one_by_one(path, declaration), pairs)
    print(json.dumps({"ours": found.ours, "theirs": found.theirs}))


def rate(path: Path, declaration: Declaration) -> float:
    """Rows a second of the processor."""
    contract, num_rows = contract_of(declaration, (), None), 0
    started = time.process_time()
    for _, chunk in read_partition([path], declaration, main_columns(declaration, ()), frozenset()):
        contract.check_values(chunk)
        num_rows += len(chunk)
    return num_rows / (time.process_time() - started)


def one_by_one(path: Path, declaration: Declaration) -> float:
    with patch("contracts.tables.text.plain_lines.FEW", NONE_IS_PLAIN):
        return rate(path, declaration)


if __name__ == "__main__":
    main()
