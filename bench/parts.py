"""Runs the parts of the benchmark one after the other; a part that fails is recorded and the others go on."""

import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path

from bench.figures import Figure
from bench.table import entry, merge, write_table


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Rows that were measured elsewhere or at another time."""

    rows: list[Figure]
    machine: dict[str, str]  # as `bench.table.machine` gives it
    date: str
    error: str | None = None  # what could not be measured, and why


Part = Callable[[], list[Figure] | Measured]


class PartFailed(RuntimeError):
    """A part could not measure all it should; `rows` is what it did measure."""

    def __init__(self, message: str, rows: list[Figure]) -> None:
        super().__init__(message)
        self.rows = rows


def all_met(figures: list[Figure]) -> list[Figure]:
    """The figures. Raises PartFailed, which has them too, if one does not reach its bar."""
    missed = [f"{figure.what}: {figure.figure}, {figure.bar}" for figure in figures if figure.met is False]
    if missed:
        raise PartFailed("; ".join(missed), figures)
    return figures


class Unprepared(ValueError):
    """A part cannot begin: something has to be done before."""


def run_parts(
    parts: dict[str, tuple[Part, str]], wanted: Sequence[str], json_path: Path, table_path: Path, order: list[str]
) -> int:
    """Measure `wanted` (name -> part, command that renews it), write both files after each; return how many failed.

    A part that is `Unprepared` leaves the files as they are.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that workspaces are removed and children ended
    failed = 0
    for name in wanted:
        part, command = parts[name]
        print(f"bench: {name}", file=sys.stderr, flush=True)
        started, error, elsewhere = time.perf_counter(), None, {}
        try:
            found = part()
            if isinstance(found, Measured):
                elsewhere, error = {"machine": found.machine, "date": found.date}, found.error
            rows = found.rows if isinstance(found, Measured) else found
        except Unprepared as failure:
            failed += 1
            print(f"bench:   {name} was not measured: {one_line(failure)}", file=sys.stderr)
            continue
        except PartFailed as failure:
            rows, error = failure.rows, one_line(failure)
        except Exception as failure:  # whatever a part fails with, the others are still measured; it is printed and counted
            traceback.print_exc()
            rows, error = [], one_line(failure)
        seconds = time.perf_counter() - started
        merge(json_path, name, entry([row.as_dict() for row in rows], command, seconds, error) | elsewhere)
        write_table(json_path, table_path, order)
        for row in rows:
            mark = {True: "met", False: "NOT MET", None: ""}[row.met]
            print(f"bench:   {row.what}: {row.figure}{f' (bar {row.bar}: {mark})' if row.bar else ''}", file=sys.stderr)
        if error is not None:
            failed += 1
            print(f"bench:   {name} failed: {error}", file=sys.stderr)
        print(f"bench: {name} took {seconds:.0f} s", file=sys.stderr, flush=True)
    return failed


def collect(measures: Sequence[Callable[[], list[Figure]]]) -> list[Figure]:
    """The rows of independent measures. Raises PartFailed with the rows of the good ones if any failed."""
    rows: list[Figure] = []
    errors: list[str] = []
    for measure in measures:
        try:
            rows += measure()
        except (RuntimeError, ValueError, OSError) as error:
            errors.append(one_line(error))
    if errors:
        raise PartFailed("; ".join(errors), rows)
    return rows


def of_modules(package: str, names: Sequence[str], config: object) -> list[Figure]:
    """What `figures(config)` of each of the package's modules measures; one that fails leaves the others. Raises PartFailed with
    the rows that there are, if one failed or does not reach its bar.
    """
    return all_met(collect([partial(import_module(f"{package}.{name}").figures, config) for name in names]))


def one_line(error: BaseException) -> str:
    return " ".join(f"{error}".split()) or type(error).__name__
