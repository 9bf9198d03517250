"""One look at one release: its new days, the long window, slices, weeks and the baseline."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import polars as pl

from contracts.lifecycle.monitor import QualityConfig
from lifecycle.monitor.findings import VERDICTS, Finding
from lifecycle.monitor.quality.baseline import judge_baseline
from lifecycle.monitor.quality.creep import judge_creep
from lifecycle.monitor.quality.history import BASELINE, History
from lifecycle.monitor.quality.judge import QualityCase, judge_totals
from lifecycle.monitor.quality.looks import ErrorShare, QualityLook, error_of
from lifecycle.monitor.quality.promise import Promised
from lifecycle.monitor.quality.rows import QualityRows, quality_rows
from lifecycle.monitor.quality.sliced import judge_slices


@dataclass(frozen=True, kw_only=True)
class ReleaseLook:
    """What a look found about a release."""

    release: int
    look: QualityLook
    rows: QualityRows  # of the long window
    frame: pl.DataFrame
    findings: Sequence[Finding]


def look_at_release(
    days: Sequence[tuple[date, pl.DataFrame]],
    look: QualityLook,
    release: int,
    promised: Promised,
    config: QualityConfig,
    history: History,
    releases: int,
) -> ReleaseLook | None:
    """`days` are those from `look.recent` to `look.last`, with a baseline; None if the release has no labelled row in them."""
    recent = _of(days, look.recent, look.last, release)
    if not len(recent):
        return None
    spent = error_of(look, config, releases)
    short, long = spent.times(config.short_share), spent.times(1 - config.short_share)
    fresh = _of(days, look.first, look.last, release)
    rows = quality_rows(recent, promised)
    name = f"the {len(rows):,} labelled rows from {look.recent} to {look.last}"
    if not len(fresh) or len(fresh) == len(recent):
        long, fresh = spent, recent.clear()
    case = QualityCase(rows=rows, promised=promised, config=config, error=long, release=release, name=name)
    found = [*judge_totals(case), *judge_slices(replace(case, error=spent))]
    found += judge_creep(replace(case, error=spent), history, look.last)
    found += judge_baseline(replace(case, error=spent), recent[BASELINE].fill_null(float("nan")).to_numpy())
    if len(fresh):
        found = _worse_of(found, judge_totals(_fresh_case(case, fresh, short, look)))
    return ReleaseLook(release=release, look=look, rows=rows, frame=recent, findings=found)


def _fresh_case(case: QualityCase, fresh: pl.DataFrame, spent: ErrorShare, look: QualityLook) -> QualityCase:
    name = f"the {len(fresh):,} labelled rows from {look.first} to {look.last}"
    return replace(case, rows=quality_rows(fresh, case.promised), error=spent, name=name)


def _worse_of(long: Sequence[Finding], short: Sequence[Finding]) -> list[Finding]:
    """One finding a kind and subject: that of the short window only where its verdict is worse."""
    worse = {one.key: one for one in short}
    chosen = []
    for one in long:
        other = worse.get(one.key, one)
        chosen.append(other if VERDICTS.index(other.verdict) > VERDICTS.index(one.verdict) else one)
    return chosen


def _of(days: Sequence[tuple[date, pl.DataFrame]], first: date, last: date, release: int) -> pl.DataFrame:
    return pl.concat([frame for day, frame in days if first <= day <= last]).filter(pl.col("release") == release)
