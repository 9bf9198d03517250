"""Changes of what labels mean, planted in simulated months, and months without one: how soon they are found, and how many false
alarms quality gives. The looks are the monitor's own, on labelled rows as it joins them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
from scipy import optimize

from bench.monitor.months import Exchange, simulated_month
from contracts.lifecycle.monitor import QualityConfig
from lifecycle.monitor.findings import Finding
from lifecycle.monitor.quality.figures import entropy
from lifecycle.monitor.quality.history import History
from lifecycle.monitor.quality.looks import plan_looks
from lifecycle.monitor.quality.promise import Promised, read_promised
from lifecycle.monitor.quality.release_look import look_at_release

SLICES = ("device", "site_category", "hour")
BEFORE, NOW = "2026-08", "2026-09"  # the month that the release was evaluated on, and the one that is watched
Plant = Callable[[pl.DataFrame, np.random.Generator], pl.DataFrame]
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
        *(pl.col(name).cast(pl.String).alias(f"slice {name}") for name in SLICES),
        pl.when(known.fill_null(False))
        .then(pl.lit("creative seen in training"))
        .otherwise(pl.lit("creative new"))
        .alias("slice cold_start"),
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
    named = [name for name in rows.columns if name.startswith("slice ")]
    slices = {name.removeprefix("slice "): {v[0]: _about(g) for v, g in rows.group_by(name)} for name in named}
    return read_promised({**_about(rows), "creative_age": ages, "slices": slices})


def _about(rows: pl.DataFrame) -> dict[str, object]:
    label, p = rows["clicked"].to_numpy(), rows["p"].to_numpy()
    if not len(p):
        return {"rows": 0, "observed": 0.0, "predicted": 0.0, "log_loss": 0.0}
    return {
        "rows": len(p),
        "observed": float(label.mean()),
        "predicted": float(p.mean()),
        "log_loss": float(-(label * np.log(p) + (1 - label) * np.log1p(-p)).mean()),
        "expected_log_loss": float(entropy(p).mean()),
    }


def watched(rows: pl.DataFrame, promised: Promised, config: QualityConfig, until: int | None = None) -> WatchedMonth:
    """All looks at a month; with `until` only those at its first so many rows."""
    days = [(key[0], frame) for key, frame in rows.group_by("day", maintain_order=True)]
    counts = [(day, len(frame)) for day, frame in days]
    total, upto = 0, {}
    for day, number in counts:
        total += number
        upto[day] = total
    looks = [look for look in plan_looks(counts, config) if until is None or upto[look.last] <= until]
    history, with_baseline, found = History(prior_rows=config.prior_rows), list[tuple[date, pl.DataFrame]](), []
    at = {look.last: look for look in looks}
    for day, frame in days:
        with_baseline.append((day, history.add(day, frame)))
        if day in at:
            one = look_at_release(with_baseline, at[day], 1, promised, config, history, 1)
            found.append((upto[day], one.findings if one else ()))
        if len(found) == len(looks):
            break
    return WatchedMonth(looks=found)


def more_clicks(times: float, since: int = 0) -> Plant:
    """Labels with so many times as many clicks, as probability allows, from row `since` on."""

    def plant(rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
        p = rows["p_true"].to_numpy() * np.where(np.arange(len(rows)) >= since, times, 1.0)
        return rows.with_columns(clicked=pl.Series((rng.random(len(rows)) < p).astype(np.int8)))

    return plant


def noisy(growth: float, since: int = 0) -> Plant:
    """Predictions with noise on their log-odds, as large as makes the expected log-loss grow so; their mean stays."""

    def plant(rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
        p, truth, noise = rows["p"].to_numpy(), rows["p_true"].to_numpy(), rng.standard_normal(len(rows))
        logit = np.log(p / (1 - p))

        def shaken(size: float) -> np.ndarray:
            there = np.where(np.arange(len(rows)) >= since, 1.0, 0.0)
            draw = logit + size * noise * there
            for _ in range(20):  # back to the mean that it had
                mean = 1 / (1 + np.exp(-draw))
                draw = draw + there * np.log(p.mean() / mean.mean())
            return 1 / (1 + np.exp(-draw))

        def grown(size: float) -> float:
            q = shaken(size)[since:]
            cost = -(truth[since:] * np.log(q) + (1 - truth[since:]) * np.log1p(-q)).mean()
            base = -(truth[since:] * np.log(p[since:]) + (1 - truth[since:]) * np.log1p(-p[since:])).mean()
            return float(cost / base - 1 - growth)

        size = optimize.brentq(grown, 0.05, 4.0, xtol=1e-3)
        return rows.with_columns(p=pl.Series(shaken(size)))

    return plant


def run_of(
    world: Exchange, luck: int, config: QualityConfig, rows: int, plant: Plant | None = None, until: int | None = None
) -> WatchedMonth:
    """A month that is watched, with what the month before promised; trained on the month before that."""
    training, before, now = (
        simulated_month(world, month, rows, 3 * luck + i) for i, month in enumerate(("2026-07", BEFORE, NOW))
    )
    ids = vocabulary(training)
    promised = promise_of(labelled(before, ids), ids)
    shown = labelled(now, ids)
    if until is not None:
        shown = shown.head(until)
    if plant is not None:
        shown = plant(shown, np.random.default_rng([luck, 77]))
    return watched(shown, promised, config, until)
