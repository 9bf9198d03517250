"""What the defaults of Evidently 0.7 say about simulated months in which one thing is wrong, or nothing: an own environment,
.venv-evidently, reads the same rows as our monitor.
"""

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from bench.figures import Figure
from bench.monitor.months import Exchange, exchange, simulated_month
from bench.monitor.scenes import named_columns
from bench.parts import Unprepared
from bench.served.entry import say
from bench.workspace import PROJECT
from contracts.tables.parquet import ParquetRows
from lifecycle.monitor.page.wording import counted
from stages.settings import load_params
from stages.simulate.config import ExchangeConfig

PYTHON = PROJECT / ".venv-evidently" / "bin" / "python"
SCRIPT = PROJECT / "bench/monitor/peers/evidently_defaults.py"
ROWS, FEW_ROWS = 50_000, 10_000  # of the reference, and of each window
REFERENCE = "reference"
SEED = 11
MONTH, NEXT_MONTH = "2026-06", "2026-07"
NO_FEATURES = ("impression_id", "clicked", "prediction_id", "row", "answered_at", "event_at", "release", "p_true")
SHARE = 0.05  # of the rows that a fault touches
SHIFT_H, CENTS = 2, 100
Fault = Callable[[pl.DataFrame, np.random.Generator], pl.DataFrame]


@dataclass(frozen=True, kw_only=True)
class AskedWindow:
    """Rows of a month; `column` is the one that is wrong, None where nothing is."""

    title: str
    month: str
    column: str | None
    fault: Fault


def emptied(column: str, share: float) -> Fault:
    return lambda rows, rng: rows.with_columns(pl.when(pl.Series(rng.random(rows.height) >= share)).then(pl.col(column)))


def changed(column: str, to: pl.Expr) -> Fault:
    """`to` in `SHARE` of the rows."""
    return lambda rows, rng: rows.with_columns(
        pl.when(pl.Series(rng.random(rows.height) < SHARE)).then(to).otherwise(pl.col(column)).alias(column)
    )


WINDOWS: Mapping[str, AskedWindow] = {
    "unchanged": AskedWindow(title="unchanged, other visitors", month=MONTH, column=None, fault=lambda rows, _: rows),
    "turnover": AskedWindow(
        title="unchanged, a month later: creatives came and went", month=NEXT_MONTH, column=None, fault=lambda rows, _: rows
    ),
    "null": AskedWindow(
        title="user_segment empty in 90 %", month=MONTH, column="user_segment", fault=emptied("user_segment", 0.9)
    ),
    "empty": AskedWindow(title="device empty in 5 %", month=MONTH, column="device", fault=emptied("device", SHARE)),
    "cents": AskedWindow(
        title="floor_price in cents in 5 %",
        month=MONTH,
        column="floor_price",
        fault=changed("floor_price", pl.col("floor_price") * CENTS),
    ),
    "hour": AskedWindow(
        title="hour in local time in 5 %", month=MONTH, column="hour", fault=changed("hour", (pl.col("hour") + SHIFT_H) % 24)
    ),
}


def figures(config: object = None) -> list[Figure]:
    """What is called drifted of each window, and the cost. `config`: that of the bench, of which this part needs nothing."""
    if not PYTHON.is_file():
        raise Unprepared(f"{PYTHON.relative_to(PROJECT)} is missing; run `make bench-monitor`, which installs it")
    world = exchange(ExchangeConfig(**load_params()["exchange"]), SEED)
    few = evidently_answers(months_of(world, FEW_ROWS, ["unchanged"]))["unchanged"]
    months = months_of(world, ROWS, WINDOWS)
    answers = evidently_answers(months)
    cost = [answer["cpu_s"] for answer in answers.values()]
    pages = [answer["html_bytes"] / 1e6 for answer in answers.values()]
    size, told = f"Evidently's defaults, {ROWS:,} rows", {key: what_was_named(WINDOWS[key], answers[key]) for key in WINDOWS}
    return [
        Figure(
            what=f"Evidently's defaults, {FEW_ROWS:,} rows: {WINDOWS['unchanged'].title}",
            figure=what_was_named(WINDOWS["unchanged"], few),
        ),
        *(Figure(what=f"{size}: {window.title}", figure=told[key]) for key, window in WINDOWS.items()),
        *(Figure(what=f"ours, {ROWS:,} rows: {WINDOWS[key].title}", figure=named) for key, named in ours(months).items()),
        Figure(what=f"{size}: cost", figure=f"{np.median(cost):.0f} cpu-s, page {np.median(pages):.1f} MB"),
    ]


def months_of(world: Exchange, rows: int, keys: Iterable[str]) -> dict[str, pl.DataFrame]:
    """The reference and the windows of these keys, as the journal has them."""
    found = {REFERENCE: simulated_month(world, MONTH, rows)}
    for key in keys:
        rng = np.random.default_rng([SEED, len(found)])
        found[key] = WINDOWS[key].fault(simulated_month(world, WINDOWS[key].month, rows, luck=1), rng)
    return found


def evidently_answers(months: Mapping[str, pl.DataFrame]) -> dict[str, Any]:
    """What evidently_defaults.py says of features and predictions of the windows. Raises RuntimeError."""
    say(f"Evidently reads {counted(len(months) - 1, 'window')} of {months[REFERENCE].height:,} rows")
    with tempfile.TemporaryDirectory(prefix="adclick-evidently-") as folder:
        for key, rows in months.items():
            with ParquetRows(Path(folder) / f"{key}.parquet") as file:
                file.write(rows.drop(NO_FEATURES))
        environment = {**os.environ, "HOME": folder, "DO_NOT_TRACK": "1"}
        command = [PYTHON, "-W", "ignore", SCRIPT, folder]
        ran = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
        if ran.returncode:
            raise RuntimeError(f"Evidently ended with {ran.returncode}: {ran.stderr[-800:]}")
        return json.loads((Path(folder) / "answers.json").read_text())


def ours(months: Mapping[str, pl.DataFrame]) -> dict[str, str]:
    """What our monitor names in each window."""
    return {
        key: f"named: {', '.join(named_columns(months[REFERENCE], rows)) or 'no column'}"
        for key, rows in months.items()
        if key != REFERENCE
    }


def what_was_named(window: AskedWindow, answer: Mapping[str, Any]) -> str:
    """Was the wrong column named, and which others were."""
    drifted = [name for name, one in answer["columns"].items() if one["drifted"]]
    others = [name for name in drifted if name != window.column]
    if window.column is None:
        return f"drifted: {', '.join(others) or 'no column'}"
    one = answer["columns"][window.column]
    found = f"{window.column} {'drifted' if one['drifted'] else 'not drifted'} (score {one['score']:.3f})"
    return f"{found}; others drifted: {', '.join(others) or 'none'}"
