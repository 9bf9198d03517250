"""Who answered when, and how good the answers were, by the world's own probabilities.

The expected log-loss of an answer q where a click has the probability p is -(p log q + (1 - p) log(1 - q)); it is least at q = p
(I. J. Good, *Rational Decisions*, Journal of the Royal Statistical Society B 14, 1952).
"""

from datetime import date
from pathlib import Path

import polars as pl

from lifecycle.live.timeline.facts.again import Again
from lifecycle.live.timeline.story import AnsweredHour, StoryDay

HOUR_MS = 3_600_000
CLIP = 1e-7  # of probabilities, as the rollout has it


def expected_loss(p_true: pl.Expr, answer: pl.Expr) -> pl.Expr:
    """Of an answer, nats."""
    q = answer.clip(CLIP, 1 - CLIP)
    return -(p_true * q.log() + (1 - p_true) * (1 - q).log())


def played_rows(folder: Path, day: date) -> pl.DataFrame:
    """The answered rows of a day with the truth: key, page, at_ms, release, probability, clicked, p_true. `folder`: of the
    play.
    """
    path = folder / "played" / f"{day}.parquet"
    truth = folder / "pages" / f"{day:%Y-%m}" / "pages.parquet"
    if not path.is_file() or not truth.is_file():
        return pl.DataFrame()
    keyed = pl.scan_parquet(truth).select(pl.col("impression_id").cast(pl.String).alias("key"), "p_true")
    rows = pl.scan_parquet(path).select("key", "page", "at_ms", "release", "probability", "clicked")
    return rows.join(keyed, on="key", how="inner", maintain_order="left").collect()


def played_days(folder: Path) -> list[date]:
    """That have rows."""
    days = sorted(date.fromisoformat(path.stem) for path in (folder / "played").glob("*.parquet"))
    return [day for day in days if pl.scan_parquet(folder / "played" / f"{day}.parquet").select(pl.len()).collect().item()]


def day_of(day: date, rows: pl.DataFrame, again: Again, first: int) -> StoryDay:
    """`first`: the release that was served at the beginning."""
    p_true = pl.col("p_true")
    loss, least = rows.select(
        expected_loss(p_true, pl.col("probability")).mean().alias("loss"), expected_loss(p_true, p_true).mean().alias("least")
    ).row(0)
    return StoryDay(
        day=str(day),
        rows=len(rows),
        clicks=int(rows["clicked"].sum()),
        log_loss=loss,
        least=least,
        first_release=loss if set(rows["release"]) == {first} else _loss_of(rows, again.said(day, (first,)), first),
    )


def _loss_of(rows: pl.DataFrame, said: pl.DataFrame, release: int) -> float | None:
    """Expected log-loss, had the release answered all; None if it cannot be run again."""
    joined = rows.join(said, on="key", how="inner").filter(pl.col(str(release)).is_not_null())
    found: float | None = joined.select(expected_loss(pl.col("p_true"), pl.col(str(release))).mean()).item()
    return found


def hours_of(rows: pl.DataFrame) -> list[AnsweredHour]:
    """Rows by hour and release, in their order."""
    hours = rows.group_by(pl.col("at_ms") // HOUR_MS * HOUR_MS, "release").len().sort("at_ms", "release")
    return [AnsweredHour(at_ns=at_ms * 1_000_000, release=release, rows=number) for at_ms, release, number in hours.iter_rows()]
