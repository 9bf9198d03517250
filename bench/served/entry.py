"""How the measurements of the served model are started: as parts of the table, or tried with other settings."""

import sys
from collections.abc import Callable, Sequence

from bench.figures import Figure
from bench.parts import PartFailed, Unprepared, run_parts
from bench.table import JSON_PATH, ORDER, TABLE_PATH
from loadtests.requests.traffic import DECLARATION
from serving.entry import run


def served_main(name: str, measure: Callable[[Sequence[str]], list[Figure]], needs_export: bool = True) -> None:
    """Measure the part and write it to the table; with `key=value` arguments only print what they give.

    `needs_export`: what is measured is the model that the pipeline exported here.
    """
    overrides = sys.argv[1:]

    def tried() -> int:
        error = None
        try:
            rows = measure(overrides)
        except PartFailed as failed:
            rows, error = failed.rows, failed
        for row in rows:
            print(f"{row.what}: {row.figure}{f' (bar {row.bar})' if row.bar else ''}", flush=True)
        if error is not None:
            raise error
        return 0

    def recorded() -> int:
        if needs_export and not DECLARATION.is_file():
            raise Unprepared(f"{DECLARATION} is missing; run `make repro` first: what is measured is the exported model")
        return min(1, run_parts({name: (lambda: measure(()), f"make {name}")}, [name], JSON_PATH, TABLE_PATH, ORDER))

    run(name, tried if overrides else recorded, RuntimeError)


def say(text: str) -> None:
    """A line of progress."""
    print(f"bench:   {text}", file=sys.stderr, flush=True)
