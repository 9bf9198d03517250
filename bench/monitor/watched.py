"""Months of labelled rows as the monitor joins them, with what an evaluation of the month before promised, and the monitor's own
looks at them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from contracts.dataset.columns import COLD_START
from contracts.lifecycle.monitor import QualityConfig
from lifecycle.monitor.findings import Finding
from lifecycle.monitor.quality.history import History
from lifecycle.monitor.quality.labelled import NEW, SEEN, SLICE
from lifecycle.monitor.quality.looks import plan_looks
from lifecycle.monitor.quality.promise import Promised, read_promised
from lifecycle.monitor.quality.release_look import look_at_release
from lifecycle.monitor.quality.statistics.figures import entropy, row_loss

SLICES = ("device", "site_category", "hour")
QUINTILES = 5


@dataclass(frozen=True, kw_only=True)
class WatchedMonth:
    """The findings of each look, with the number of labelled rows until then."""

    looks: Sequence[tuple[int, Sequence[Finding]]]

    def first(self, kinds: Sequence[str], since: int = 0) -> int | None:
        """Labelled rows from `since` on until a warning of one of these kinds; None: there was none."""
        for rows, findings in self.looks:
            if rows > since and any(f.verdict in ("warning", "page") and f.kind in kinds for f in findings):
                return rows - since
        return None

    def worst(self) -> str:
        verdicts = {f.verdict for _, findings in self.looks for f in findings}
        return "page" if "page" in verdicts else "warning" if "warning" in verdicts else "ok"

    @property
    def warned(self) -> list[str]:
        return sorted({f.key for _, findings in self.looks for f in findings if f.verdict in ("warning", "page")})


def labelled(month: pl.DataFrame, ids: pl.DataFrame) -> pl.DataFrame:
    """As `lifecycle.monitor.quality.labelled.rows_of` gives them, with `p_true` and `day` beside."""
    with_ids = month.join(ids, on="creative_id", how="left", maintain_order="left")
    known = pl.col("id") >= 2
    return with_ids.select(
        "release",
        pl.lit("").alias("arm"),
        pl.col("event_at").dt.epoch("ns").alias("at_ns"),
        "clicked",
        pl.col("probability").cast(pl.Float64).alias("p"),
        pl.col("user_id").hash(0).alias("user"),
        pl.col("creative_id").hash(0).alias("creative"),
        pl.col("id").fill_null(0).cast(pl.UInt32).alias("creative_id"),
        *(pl.col(name).cast(pl.String).alias(SLICE + name) for name in SLICES),
        pl.when(known.fill_null(False)).then(pl.lit(SEEN)).otherwise(pl.lit(NEW)).alias(SLICE + COLD_START),
        "p_true",
        pl.col("event_at").dt.date().alias("day"),
    )


def vocabulary(training: pl.DataFrame) -> pl.DataFrame:
    """Ids of the creatives that a training month has often enough, the most frequent first, as an encoder gives them."""
    counts = training["creative_id"].value_counts(sort=True).filter(pl.col("count") >= 10)
    return counts.with_row_index("id", offset=2).select("creative_id", pl.col("id").cast(pl.UInt32), pl.col("count"))


def promise_of(rows: pl.DataFrame, ids: pl.DataFrame) -> Promised:
    """What an evaluation on these rows writes down."""
    ends = np.searchsorted(np.cumsum(ids["count"].to_numpy()), np.arange(1, QUINTILES) / QUINTILES * ids["count"].sum())
    bounds = [2, *(int(end) + 3 for end in ends), len(ids) + 2]
    strata = {f"quintile {i + 1}": (bounds[i], bounds[i + 1] - 1) for i in range(QUINTILES)}
    id_N = rows["creative_id"].to_numpy()
    ages = {
        name: _about(rows.filter((id_N >= first) & (id_N <= last))) | {"ids": (first, last)}
        for name, (first, last) in strata.items()
    }
    ages["unknown"] = _about(rows.filter(id_N < 2))
    named = [name for name in rows.columns if name.startswith(SLICE)]
    slices = {name.removeprefix(SLICE): {v[0]: _about(g) for v, g in rows.group_by(name)} for name in named}
    return read_promised({**_about(rows), "creative_age": ages, "slices": slices})


def _about(rows: pl.DataFrame) -> dict[str, object]:
    label, p = rows["clicked"].to_numpy(), rows["p"].to_numpy()
    if not len(p):
        return {"rows": 0, "observed": 0.0, "predicted": 0.0, "log_loss": 0.0}
    return {
        "rows": len(p),
        "observed": float(label.mean()),
        "predicted": float(p.mean()),
        "log_loss": float(row_loss(label, p).mean()),
        "expected_log_loss": float(entropy(p).mean()),
    }


def watched(rows: pl.DataFrame, promised: Promised, config: QualityConfig, until: int | None = None) -> WatchedMonth:
    """All looks at a month; with `until` only those at its first so many rows. Looks end with whole days."""
    days = [(key[0], frame) for key, frame in rows.group_by("day", maintain_order=True)]
    rows_until = dict(zip((day for day, _ in days), np.cumsum([len(frame) for _, frame in days]).tolist(), strict=True))
    planned = plan_looks([(day, len(frame)) for day, frame in days], config)
    looks = {look.last: look for look in planned if until is None or rows_until[look.last] <= until}
    history, seen, found = History(prior_rows=config.prior_rows), list[tuple[date, pl.DataFrame]](), []
    for day, frame in days:
        seen.append((day, history.add(day, frame)))
        if day in looks:
            one = look_at_release(seen, looks[day], 1, promised, config, history, 1)
            found.append((rows_until[day], one.findings if one else ()))
        if len(found) == len(looks):
            break
    return WatchedMonth(looks=found)
