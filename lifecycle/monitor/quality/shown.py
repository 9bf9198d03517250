"""What the page shows of a look: figures with their intervals, calibration by bins, slices, and points over time."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl
from scipy import stats

from contracts.lifecycle.monitor import QualityConfig
from lifecycle.monitor.findings import Finding, FindingTable, Point
from lifecycle.monitor.quality.promise import Promised
from lifecycle.monitor.quality.release_look import ReleaseLook
from lifecycle.monitor.quality.rows import QualityRows, quality_rows
from lifecycle.monitor.quality.statistics.clusters import wideness
from lifecycle.monitor.quality.statistics.figures import (
    QualityFigure,
    auc,
    integrated_calibration,
    log_loss,
    normalised_entropy,
    ratio,
)

NUM_BINS = 10
OVER_TIME = ("calibration", "log_loss", "normalised_entropy", "baseline")


def figure_table(looked: ReleaseLook, promised: Promised, config: QualityConfig) -> FindingTable:
    """Each figure with its interval by the widest unit, of all rows of the window and of each arm."""
    share = f"{100 * config.confidence:g} %"
    arms = [arm for arm in looked.frame["arm"].unique().sort() if arm]
    parts = [("all rows", looked.rows)]
    parts += [(arm, quality_rows(looked.frame.filter(pl.col("arm") == arm), promised)) for arm in arms]
    return FindingTable(
        title=f"Release {looked.release}: rows with final labels from {looked.look.recent} to {looked.look.last}",
        columns=["rows of", "figure", "value", f"{share} from", "to", "by", "in evaluation, unstandardised"],
        rows=[[name, *row] for name, rows in parts for row in _figures(rows, promised, config.confidence)],
    )


def _figures(rows: QualityRows, promised: Promised, confidence: float) -> Iterator[list[Any]]:
    total = promised.total
    figures = {
        "clicks by predictions": (ratio(rows.label_N, rows.p_N), total.ratio),
        "log-loss": (log_loss(rows.label_N, rows.p_N), total.log_loss),
        "normalised entropy": (normalised_entropy(rows.label_N, rows.p_N), promised.normalised_entropy),
        "AUC": (auc(rows.label_N, rows.p_N), promised.auc),
    }
    yield ["rows", len(rows), None, None, "", None if np.isinf(total.rows) else total.rows]
    yield ["clicks", rows.clicks, None, None, "", None if np.isinf(total.clicks) else total.clicks]
    for name, (figure, before) in figures.items():
        if figure is not None:
            low, high, by = interval(figure, rows, confidence)
            yield [name, figure.value, low, high, by, None if before is None or np.isnan(before) else before]
    yield ["integrated calibration index", integrated_calibration(rows.label_N, rows.p_N), None, None, "", None]


def interval(figure: QualityFigure, rows: QualityRows, confidence: float) -> tuple[float, float, str]:
    """Around the figure, by the unit that makes it widest."""
    width = wideness(figure.influence_N, rows.units)
    reach = width.quantile(1 - confidence) * width.error
    return figure.value - reach, figure.value + reach, width.by


def calibration_table(looked: ReleaseLook, config: QualityConfig) -> FindingTable:
    """Bins of about as many rows each, by prediction; intervals of the click rate by the widest unit."""
    rows = looked.rows
    edges = np.quantile(rows.p_N, np.linspace(0, 1, NUM_BINS + 1)[1:-1])
    bin_N = np.searchsorted(np.unique(edges), rows.p_N, side="right")
    found = []
    for place in range(int(bin_N.max()) + 1):
        here = bin_N == place
        if not here.any():
            continue
        observed = float(rows.label_N[here].mean())
        influence = (rows.label_N[here] - observed) / here.sum()
        width = wideness(influence, {name: np.unique(codes[here], return_inverse=True)[1] for name, codes in rows.units.items()})
        low, high = _share_interval(observed, width.widest, int(here.sum()), config.confidence)
        found.append([int(here.sum()), float(rows.p_N[here].mean()), observed, low, high])
    return FindingTable(
        title=f"Release {looked.release}: calibration",
        columns=["rows", "predicted", "observed", "observed from", "to"],
        rows=found,
    )


def _share_interval(share: float, variance: float, rows: int, confidence: float) -> tuple[float, float]:
    """Wilson's interval of a share, of as many rows as its variance means (Wilson 1927; Kish 1965)."""
    count = share * (1 - share) / variance if variance > 0 else float(rows)
    z2 = float(stats.norm.isf((1 - confidence) / 2)) ** 2
    centre = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = np.sqrt(z2 * (share * (1 - share) / count + z2 / (4 * count**2))) / (1 + z2 / count)
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def slice_table(looked: ReleaseLook) -> FindingTable | None:
    """Each value that was judged, the surest difference first."""
    found = sorted((f for f in looked.findings if f.kind == "slices"), key=lambda f: f.p_value or 0.0)
    rows = [
        [f.subject, round(f.evidence["clicks"]), round(f.evidence["expected"], 1), 1 + f.effect, *_times(f), f.p_value, f.verdict]
        for f in found
    ]
    columns = ["slice", "clicks", "expected", "ratio", "from", "to", "p of chance", "verdict"]
    return FindingTable(title=f"Release {looked.release}: slices", columns=columns, rows=rows) if rows else None


def _times(finding: Finding) -> tuple[float, float]:
    low, high = finding.interval or (0.0, 0.0)
    return 1 + low, 1 + high


def points_of(findings: Sequence[Finding], at_ns: int) -> dict[str, Point]:
    """By kind: growth against what was promised, with the band in which it lies if nothing has changed."""
    return {
        f.kind: Point(
            at_ns=at_ns,
            value=f.effect,
            low=f.interval[0] if f.interval else None,
            high=f.interval[1] if f.interval else None,
            expected_low=None if f.chance is None or f.kind != "calibration" else -f.chance,
            expected_high=f.chance,
            verdict=f.verdict,
        )
        for f in findings
        if f.kind in OVER_TIME
    }
