"""Changes of what labels mean, planted in simulated months, and months without one: how soon they are found, and how many false
alarms quality gives. The looks are the monitor's own, on labelled rows as it joins them.

`python -m bench.monitor.labels` alone measures it too.
"""

import argparse
import multiprocessing
import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import polars as pl

from bench.figures import Figure, at_least, at_most
from bench.monitor.changes import Change, more_clicks, noisy, wrong_creatives
from bench.monitor.months import Exchange, exchange, simulated_month
from bench.monitor.watched import WatchedMonth, labelled, promise_of, vocabulary, watched
from contracts.lifecycle.monitor import MonitorConfig, QualityConfig
from contracts.params import read_section
from stages.simulate.config import ExchangeConfig

TRAINED, EVALUATED, WATCHED = "2026-07", "2026-08", "2026-09"
LOSSES = ("log_loss", "normalised_entropy")
PLANTS: dict[str, tuple[Change, Sequence[str]]] = {
    "1.15 times as many clicks": (more_clicks(1.15), ("calibration",)),
    "0.85 times as many clicks": (more_clicks(0.85), ("calibration",)),
    "log-loss +10 %": (noisy(0.1), LOSSES),
}
SHARE = 4  # of the months with a warning that all areas may have together, quality's is one in so many


@dataclass(frozen=True, kw_only=True)
class LabelRuns:
    """How much is simulated."""

    plants: int = 100  # runs of each change
    months: int = 200  # without one
    rows: int = 200_000  # a month
    within: int = 40_000  # labelled rows
    worlds: int = 10  # different exchanges
    creative_error: float = 0.15  # of the second time: log-odds by which predictions are off for each creative


def run_of(
    world: Exchange,
    luck: int,
    config: QualityConfig,
    runs: LabelRuns,
    change: Change | None = None,
    creative_error: float = 0.0,
) -> WatchedMonth:
    """A month that is watched, with what the month before promised of a release that was trained on the month before that."""
    training, before, now = (
        simulated_month(world, month, runs.rows, 3 * luck + i) for i, month in enumerate((TRAINED, EVALUATED, WATCHED))
    )
    ids = vocabulary(training)
    evaluated, shown = (_with_errors(labelled(rows, ids), creative_error, luck) for rows in (before, now))
    if change is not None:
        shown = change(shown.head(runs.within + runs.rows // 28), np.random.default_rng([luck, 77]))
    return watched(shown, promise_of(evaluated, ids), config, None if change is None else runs.within)


def _with_errors(rows: pl.DataFrame, size: float, luck: int) -> pl.DataFrame:
    return wrong_creatives(rows, size, luck) if size else rows


def figures(_: object = None, runs: LabelRuns | None = None) -> list[Figure]:
    """The settings of all parts have nothing for this one."""
    runs = runs or LabelRuns()
    config = read_section("monitor", MonitorConfig).quality
    found = []
    for creative_error in (0.0, runs.creative_error):
        with ProcessPoolExecutor(min(os.cpu_count() or 1, 4), multiprocessing.get_context("spawn")) as pool:
            for name in PLANTS:
                one = partial(_is_found, runs, config, name, creative_error)
                found.append(_found_figure(name, sum(pool.map(one, range(runs.plants))), runs, creative_error))
                print(f"labels: {found[-1].what}: {found[-1].figure}", flush=True)
            quiet = list(pool.map(partial(_without, runs, config, creative_error), range(runs.months)))
        found += _quiet_figures(quiet, creative_error)
        print(f"labels: {found[-2].what}: {found[-2].figure}", flush=True)
    return found


def _is_found(runs: LabelRuns, config: QualityConfig, name: str, creative_error: float, luck: int) -> bool:
    change, kinds = PLANTS[name]
    return run_of(_world(runs, luck), luck, config, runs, change, creative_error).first(kinds) is not None


def _without(runs: LabelRuns, config: QualityConfig, creative_error: float, luck: int) -> tuple[str, list[str]]:
    month = run_of(_world(runs, luck), 1000 + luck, config, runs, None, creative_error)
    return month.worst(), month.warned


def _world(runs: LabelRuns, luck: int) -> Exchange:
    base = read_section("exchange", ExchangeConfig)
    return exchange(base, luck * runs.worlds // max(runs.plants, runs.months))


def _found_figure(name: str, number: int, runs: LabelRuns, creative_error: float) -> Figure:
    what, shown = f"{name}, {_kind(creative_error)}: found within {runs.within:,} labelled rows", f"{number} of {runs.plants}"
    if creative_error:
        return Figure(what=what, figure=shown)
    return at_least(what, number, 0.9 * runs.plants, shown, f">= {0.9 * runs.plants:.0f}")


def _quiet_figures(quiet: Sequence[tuple[str, list[str]]], creative_error: float) -> list[Figure]:
    """False alarms; of all areas 10 of 200 months may have a warning and one a page, of which a quarter is quality's."""
    warnings, pages = sum(worst in ("warning", "page") for worst, _ in quiet), sum(worst == "page" for worst, _ in quiet)
    keys = ", ".join(f"{key} {times}" for key, times in Counter(key for _, warned in quiet for key in warned).most_common(3))
    bar = 10 / 200 / SHARE * len(quiet)
    what = f"months without change, {_kind(creative_error)}: with a warning of quality"
    shown = f"{warnings} of {len(quiet)}{f' ({keys})' if keys else ''}"
    if creative_error:
        return [Figure(what=what, figure=shown), Figure(what=f"{what}: pages", figure=f"{pages} of {len(quiet)}")]
    paged = at_most(f"{what}: pages", pages, len(quiet) / 200, f"{pages} of {len(quiet)}", f"<= {len(quiet) / 200:.0f}")
    return [at_most(what, warnings, bar, shown, f"<= {bar:g}"), paged]


def _kind(creative_error: float) -> str:
    return f"predictions off by {creative_error:g} for each creative" if creative_error else "true predictions"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.monitor.labels")
    parser.add_argument("--plants", type=int, default=100)
    parser.add_argument("--months", type=int, default=200)
    args = parser.parse_args()
    for one in figures(runs=LabelRuns(plants=args.plants, months=args.months)):
        print(f"{one.what} | {one.figure} | {one.bar}")


if __name__ == "__main__":
    main()
