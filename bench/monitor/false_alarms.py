"""How many months in which nothing changes have a warning: hourly windows, all columns, all looks, creatives that come and go."""

import multiprocessing
from collections import Counter
from functools import partial

import numpy as np

from bench.figures import Figure, at_most
from bench.monitor.scenes import scene
from bench.monitor.settings import BenchMonitorConfig
from bench.served.entry import say
from lifecycle.monitor.inputs.verdicts import Hit, hits_at


def figures(config: BenchMonitorConfig) -> list[Figure]:
    found = []
    for months, candidates in ((config.false_alarm_months, 1), (config.candidate_months, config.candidates)):
        if months:
            found += _figures(config, months, candidates)
    return found


def _figures(config: BenchMonitorConfig, months: int, candidates: int) -> list[Figure]:
    seeds = range(config.seed, config.seed + months)
    warned = paged = 0
    by_column: Counter[str] = Counter()
    month = partial(alarms_of_month, rows=config.month_rows, candidates=candidates, columns=config.columns)
    with multiprocessing.get_context("spawn").Pool(config.workers) as pool:
        for number, hits in enumerate(pool.imap(month, seeds), 1):
            warned += bool(hits)
            paged += any(hit.verdict == "page" for hit in hits)
            by_column.update({f"{hit.column} {hit.test}" for hit in hits})
            if hits or number % 10 == 0:
                say(f"false alarms: {number} months, {warned} with a warning, {paged} with a page {dict(by_column)}")
    limits = config.limits
    sent = f"{config.month_rows:,} rows, looks every hour" + (f"; requests of {candidates} candidates" if candidates > 1 else "")
    return [
        at_most(
            f"months without change in which the monitor warns, of {months} ({sent})",
            warned,
            limits.warned_months * months / 200,
            f"{warned}" + (f" ({', '.join(by_column)})" if by_column else ""),
            f"<= {limits.warned_months} of 200",
        ),
        at_most("months of these with a page", paged, limits.paged_months, f"{paged}", f"<= {limits.paged_months} of 200"),
    ]


def alarms_of_month(seed: int, rows: int, candidates: int = 1, columns: tuple[str, ...] = ()) -> list[Hit]:
    """What is found at all looks of a month of the world of that seed."""
    one = scene(seed, rows, columns)
    month = one.month(luck=seed) if candidates == 1 else one.page_views(rows // candidates, candidates)
    panel = one.counted(month)
    return hits_at(panel, np.arange(1, len(panel.hour_U) + 1), one.config)
