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
    seeds = range(config.seed, config.seed + config.false_alarm_months)
    warned = paged = 0
    by_column: Counter[str] = Counter()
    with multiprocessing.get_context("spawn").Pool(config.workers) as pool:
        for number, hits in enumerate(pool.imap(partial(alarms_of_month, rows=config.month_rows), seeds), 1):
            warned += bool(hits)
            paged += any(hit.verdict == "page" for hit in hits)
            by_column.update({hit.column for hit in hits})
            if hits or number % 10 == 0:
                say(f"false alarms: {number} months, {warned} with a warning, {paged} with a page {dict(by_column)}")
    months, limits = config.false_alarm_months, config.limits
    return [
        at_most(
            f"months without change in which the monitor warns, of {months} ({config.month_rows:,} rows, looks every hour)",
            warned,
            limits.warned_months * months / 200,
            f"{warned}" + (f" ({', '.join(by_column)})" if by_column else ""),
            f"<= {limits.warned_months} of 200",
        ),
        at_most("months of these with a page", paged, limits.paged_months, f"{paged}", f"<= {limits.paged_months} of 200"),
    ]


def alarms_of_month(seed: int, rows: int) -> list[Hit]:
    """What is found at all looks of a month of the world of that seed."""
    one = scene(seed, rows)
    panel = one.counted(one.month(luck=seed))
    return hits_at(panel, np.arange(1, len(panel.hour_U) + 1), one.config)
