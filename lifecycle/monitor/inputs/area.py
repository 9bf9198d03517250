"""Columns, images and predictions of what is served, held against the release's profile and against the windows before."""

import numpy as np

from lifecycle.monitor.counts.counting import HOUR_NS
from lifecycle.monitor.counts.panel import Panel, panel_of
from lifecycle.monitor.counts.summaries import Summaries
from lifecycle.monitor.findings import Area, Context, Finding, Serving, Trend
from lifecycle.monitor.inputs.kinds import named
from lifecycle.monitor.inputs.sentences import finding_of
from lifecycle.monitor.inputs.series import series_of
from lifecycle.monitor.inputs.verdicts import hits_at

RECENT_H = 48  # a release that answered nothing for so long before the last answer is not judged
SMALLEST = 0.25  # of a warning's effect: what is watched


def look(context: Context) -> Area:
    """Count what is new in the journal, and judge the last closed windows of each release that answers."""
    summaries = summaries_of(context)
    summaries.gather()
    findings, series, notes = list[Finding](), list[Trend](), list[str]()
    panels = {release: panel_of(counts, summaries.plan(release)[0]) for release, counts in summaries.counts().items()}
    newest = max((int(panel.hour_U[-1]) for panel in panels.values()), default=0)
    for release, panel in sorted(panels.items(), reverse=True):
        if panel.hour_U[-1] < newest - RECENT_H:
            continue
        if not summaries.plan(release)[1]:
            notes.append(f"release {release} has no profile of format 2: its first answers stand for it; export it again")
        found = judged(panel, context, release)
        findings += found
        series += series_of(panel, found) if not series else []
        if panel.rows_U.sum() < context.config.inputs.history_rows:
            notes.append(
                f"release {release} has answered {panel.rows_U.sum():,} rows: too few to hold predictions against those before"
            )
    return Area(name="inputs", findings=findings, series=series, notes=notes)


def summaries_of(context: Context) -> Summaries:
    return Summaries(context.state, context.journal, context.store, context.declaration, context.config.inputs.block_rows)


def judged(panel: Panel, context: Context, release: int) -> list[Finding]:
    """The findings of the last look: after the last unit of time that is over."""
    closed = len(panel.hour_U) - int(panel.hour_U[-1] == context.now_ns // HOUR_NS)
    if not closed:
        return []
    least = SMALLEST * context.config.inputs.warning_effect
    hits = hits_at(panel, np.array([closed]), context.config.inputs, least)
    return [finding_of(one, panel, release) for one in named(hits, panel)]


def serving(context: Context) -> list[Serving]:
    """Who answered how many rows, newest first."""
    found = []
    for release, counts in summaries_of(context).counts().items():
        rows = counts.filter((counts["column"] == "") & (counts["key"] == "rows"))
        first, last = int(rows["hour"].to_numpy().min()), int(rows["hour"].to_numpy().max())
        found.append(
            Serving(release=release, arm=None, rows=int(rows["n"].sum()), first_ns=first * HOUR_NS, last_ns=(last + 1) * HOUR_NS)
        )
    return sorted(found, key=lambda one: (-one.last_ns, -one.release))
