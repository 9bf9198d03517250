"""The area `quality`: rows with final labels against what was promised of the release that answered, a look at a time.

Reads the journal's Parquet, the final labels and the promise of each release; keeps `quality/looks.json` in the monitor's folder.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from contracts.dataset.columns import COLD_START
from contracts.dataset.declaration import Declaration
from lifecycle.monitor.findings import Area, Context, FindingTable, Trend
from lifecycle.monitor.quality.early import early_trends
from lifecycle.monitor.quality.history import History
from lifecycle.monitor.quality.kept import KeptQuality, read_kept, write_kept
from lifecycle.monitor.quality.labelled import (
    QualityColumns,
    labelled_days,
    quality_columns,
    rows_of,
    served_files,
    start_ns,
)
from lifecycle.monitor.quality.looks import QualityLook, plan_looks
from lifecycle.monitor.quality.promise import Promised, own_word, read_promised
from lifecycle.monitor.quality.release_look import ReleaseLook, look_at_release
from lifecycle.monitor.quality.shown import calibration_table, figure_table, points_of, slice_table
from serving.releases.reference import read_promise

UNITS = {"calibration": "clicks beyond those promised", "baseline": "log-loss above the creative's click rate"}
SHOWN_ONLY = "only rows that were shown have a label; of a row that the model scored too low to be shown nothing is known"


def look(context: Context) -> Area:
    """The findings of the last look, after those that are due."""
    columns = quality_columns(context.declaration, slices_of(context.declaration))
    today = datetime.fromtimestamp(context.now_ns // 1_000_000_000, UTC).date()
    early = early_trends(context.journal, today, columns)
    counts, gone = label_counts(context.feedback, context.journal, context.config.quality.creep_weeks)
    kept = read_kept(context.state)
    due = plan_looks(counts, context.config.quality, kept.last)
    if due:
        look_again(context, columns, [day for day, _ in counts if day <= due[-1].last], due, kept)
        write_kept(context.state, kept)
    if kept.area is None:
        return Area(name="quality", series=early, notes=[_too_few(counts, context), *gone])
    return replace(kept.area, series=[*kept.area.series, *early], notes=[*kept.area.notes, *gone])


def slices_of(declaration: Declaration) -> Sequence[str]:
    """Those that are declared; where none are, the columns of few values that the declaration lists, and cold_start."""
    if declaration.slices is not None:
        return declaration.slices
    single = [column for column in declaration.features if column.slot_of is None]
    return [column.name for column in single if column.values is not None] + [COLD_START]


def label_counts(feedback: Path, journal: Path, weeks: int) -> tuple[list[tuple[date, int]], list[str]]:
    """Final labels of each complete day of the last so many weeks that the journal has; and a note of days that it has not."""
    files = labelled_days(feedback)
    recent = [day for day in files if day > max(files) - timedelta(days=7 * weeks)]
    lost = [day for day in recent if not served_files(journal, day)]
    found = [(day, sum(pq.read_metadata(path).num_rows for path in files[day])) for day in recent if day not in lost]
    note = f"{len(lost)} days have labels, and the journal has no answers of them any more ({lost[0]} the first)" if lost else ""
    return found, [note] if note else []


def look_again(
    context: Context, columns: QualityColumns, days: Sequence[date], due: Sequence[QualityLook], kept: KeptQuality
) -> None:
    """Make the looks that are due, in order; `days` are those until the last of them, `kept` is changed in place."""
    history = History(prior_rows=context.config.quality.prior_rows)
    frames, at = list[tuple[date, pl.DataFrame]](), {one.last: one for one in due}
    for day in days:
        frame = rows_of(context.journal, context.feedback, day, columns)
        oldest = min(one.recent for one in due if one.last >= day)
        frames = [(other, rows) for other, rows in frames if other >= oldest]
        frames.append((day, history.add(day, frame)))
        if day in at:
            _one_look(context, frames, at[day], history, kept)
            kept.last = day


def _one_look(
    context: Context, frames: list[tuple[date, pl.DataFrame]], planned: QualityLook, history: History, kept: KeptQuality
) -> None:
    window = [frame for day, frame in frames if planned.recent <= day <= planned.last]
    releases = pl.concat(window)["release"].unique().sort().to_list() if window else []
    promises = {release: promised_of(context.store, release) for release in releases}
    found = [
        one
        for release in releases
        if (
            one := look_at_release(
                frames, planned, release, promises[release] or own_word(), context.config.quality, history, len(releases)
            )
        )
    ]
    for one in found:
        kept.add(one.release, points_of(one.findings, start_ns(planned.last)))
    kept.area = _area(context, found, promises, kept)


def promised_of(store: Path, release: int) -> Promised | None:
    """None if there is none. Raises ValueError if it is not what a promise is."""
    values = read_promise(store, release)
    try:
        return None if values is None else read_promised(values)
    except (KeyError, TypeError) as error:
        raise ValueError(f"the promise of release {release} cannot be read ({error!r}); deploy its export again") from None


def _area(context: Context, found: Sequence[ReleaseLook], promises: dict[int, Promised | None], kept: KeptQuality) -> Area:
    tables = list[FindingTable]()
    for one in found:
        tables += [
            figure_table(one, promises[one.release] or own_word(), context.config.quality),
            calibration_table(one, context.config.quality),
        ]
        tables += [table] if (table := slice_table(one)) else []
    notes = [SHOWN_ONLY]
    notes += [
        f"release {number} has no promise of `evaluate`: it is held against its own predictions, as if those were right"
        for number, promised in promises.items()
        if promised is None
    ]
    least = context.config.quality.min_clicks
    notes += [
        f"release {one.release} has {one.rows.clicks:,.0f} clicks in its window; at least {least} are needed to judge it "
        "(monitor.quality.min_clicks)"
        for one in found
        if one.rows.clicks < least
    ]
    trends = [
        Trend(subject=f"release {release}", kind=kind, unit=UNITS.get(kind, "growth over what was promised"), points=points)
        for release, kinds in kept.points.items()
        for kind, points in kinds.items()
    ]
    return Area(name="quality", findings=[f for one in found for f in one.findings], series=trends, tables=tables, notes=notes)


def _too_few(counts: Sequence[tuple[date, int]], context: Context) -> str:
    rows, wanted = sum(number for _, number in counts), context.config.quality.look_rows
    return (
        f"no quality yet: {rows:,} rows of whole days have a final label, a look needs {wanted:,} (monitor.quality.look_rows); "
        "labels come by `make feedback`"
    )
