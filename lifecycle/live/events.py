"""Events of a day, as whoever shows advertisements passes them on: late, twice or never, and a heartbeat when the day is over.

Shape letters: N rows of a month.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from contracts.lifecycle.live import LabelsConfig
from lifecycle.live.ledger import answered_ms

HOUR_MS = 3_600_000
SHOWN_AFTER_MS = 500  # from the answer on
STREAM = 20  # beside the exchange's seed: draws of nobody else
KINDS = ("shown", "click")


@dataclass(frozen=True, kw_only=True)
class Fates:
    """What becomes of the events of each row of a month, if it is shown; drawn once, so that it can be computed again."""

    rows: pl.DataFrame  # key, click_after_ms, never; <kind>_late_ms, and <kind>_again_ms: null if it is not passed on twice

    @classmethod
    def drawn(cls, keys: pl.Series, month: str, seed: int, labels: LabelsConfig) -> "Fates":
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, STREAM, int(month.replace("-", ""))])))
        size = len(keys)
        columns: dict[str, np.ndarray] = {
            "click_after_ms": rng.exponential(labels.click_after_s * 1000, size),
            "never": rng.random(size) < labels.never_share,
        }
        for kind in KINDS:
            late, again = (labels.median_h * HOUR_MS * np.exp(labels.spread * rng.standard_normal(size)) for _ in range(2))
            columns[f"{kind}_late_ms"] = late
            columns[f"{kind}_again_ms"] = np.where(rng.random(size) < labels.twice_share, late + again, np.nan)
        rows = pl.DataFrame({"key": keys, **columns}).with_columns(pl.selectors.float().fill_nan(None).round().cast(pl.Int64))
        return cls(rows=rows)


def events_told(ledger: pl.DataFrame, fates: pl.DataFrame, start_ms: int, end_ms: int) -> pl.DataFrame:
    """The events that are passed on from `start_ms` on until before `end_ms`, in the order in which that happens.

    Columns: kind, prediction_id, row, key, at_ms (when it happened), told_ms.
    """
    shown = ledger.filter("shown")
    shown = shown.with_columns(pl.Series("shown_ms", answered_ms(shown["prediction_id"]) + SHOWN_AFTER_MS, dtype=pl.Int64))
    rows = shown.join(fates, on="key", how="left", maintain_order="left").filter(~pl.col("never"))
    rows = rows.with_columns(click_ms=pl.col("shown_ms") + pl.col("click_after_ms"))
    found = []
    for kind in KINDS:
        happened = rows if kind == "shown" else rows.filter("clicked")
        for after in ("late", "again"):
            told = (pl.col(f"{kind}_ms") + pl.col(f"{kind}_{after}_ms")).alias("told_ms")
            event = happened.select(
                pl.lit(kind).alias("kind"), "prediction_id", "row", "key", pl.col(f"{kind}_ms").alias("at_ms"), told
            )
            found.append(event.filter(pl.col("told_ms").is_between(start_ms, end_ms, closed="left")))
    return pl.concat(found).sort("told_ms", "prediction_id", "row", "kind")


def heartbeat(at_ms: int) -> dict[str, Any]:
    """Whoever passes events on has passed on all that reached them until then."""
    return {"kind": "heartbeat", "at_ms": at_ms}


def json_lines(events: pl.DataFrame, *more: dict[str, Any]) -> bytes:
    """As `POST /feedback` and `make feedback` take them."""

    def lines() -> Iterator[dict[str, Any]]:
        yield from events.drop("told_ms").iter_rows(named=True)
        yield from more

    return "".join(f"{json.dumps(line)}\n" for line in lines()).encode()
