"""What would have been without the canary: both releases' graphs over all rows of that time, and the world's own
probabilities.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl

from lifecycle.live.timeline.facts.again import Again
from lifecycle.live.timeline.facts.answered import expected_loss, played_rows
from lifecycle.live.timeline.story import TriedCandidate, Without

OURS, OTHER = "ours", "other"


def without_canary(folder: Path, again: Again, candidate: TriedCandidate) -> Without | None:
    """None if it was never a canary that was sent back, or no row of that time can be computed again."""
    canary = [step for step in candidate.steps if step.share > 0]
    if (
        candidate.outcome not in ("back", "aborted")
        or not canary
        or None in (candidate.release, candidate.beside, candidate.ended_ns)
    ):
        return None
    assert candidate.release is not None and candidate.beside is not None and candidate.ended_ns is not None
    start_ns, end_ns = canary[0].from_ns, candidate.ended_ns
    rows = [_rows_of(folder, again, day, candidate.release, candidate.beside) for day in _days(start_ns, end_ns)]
    found = pl.concat(rows).filter(pl.col("at_ms").is_between(start_ns // 10**6, end_ns // 10**6, closed="left"))
    if found.is_empty():
        return None
    return compared(found, candidate, start_ns, end_ns)


def compared(rows: pl.DataFrame, candidate: TriedCandidate, start_ns: int, end_ns: int) -> Without:
    """Of rows with page, release, p_true, and what the champion (`ours`) and the candidate (`other`) say."""
    by_candidate = pl.col("release") == candidate.release
    added = expected_loss(pl.col("p_true"), pl.col(OTHER)) - expected_loss(pl.col("p_true"), pl.col(OURS))
    best = {name: pl.col("p_true").get(pl.col(name).arg_max()) for name in (OURS, OTHER)}
    pages = rows.group_by("page").agg(
        (best[OURS] - best[OTHER]).alias("lost"), best[OURS].alias("clicks"), by_candidate.all().alias("tried")
    )
    return Without(
        number=candidate.number,
        from_ns=start_ns,
        until_ns=end_ns,
        rows=len(rows),
        tried_rows=int(rows.select(by_candidate.sum()).item()),
        added_paid=float(rows.filter(by_candidate).select(added.sum()).item()),
        added_at_once=float(rows.select(added.sum()).item()),
        lost_paid=float(pages.filter("tried")["lost"].sum()),
        lost_at_once=float(pages["lost"].sum()),
        clicks=float(pages["clicks"].sum()),
    )


def _rows_of(folder: Path, again: Again, day: date, release: int, champion: int) -> pl.DataFrame:
    said = again.said(day, (champion, release)).rename({str(champion): OURS, str(release): OTHER})
    rows = played_rows(folder, day)
    if rows.is_empty():
        return pl.DataFrame(
            schema={
                "page": pl.Int64,
                "at_ms": pl.Int64,
                "release": pl.Int64,
                "p_true": pl.Float64,
                OURS: pl.Float64,
                OTHER: pl.Float64,
            }
        )
    wanted = rows.select("key", "page", "at_ms", "release", "p_true").join(said, on="key", how="inner")
    return wanted.filter(pl.col(OURS).is_not_null() & pl.col(OTHER).is_not_null()).drop("key")


def _days(start_ns: int, end_ns: int) -> Sequence[date]:
    first, last = (datetime.fromtimestamp(ns / 1e9, UTC).date() for ns in (start_ns, end_ns))
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]
