"""Small multiples of the inputs: of each column what is missing and unknown, and how far its values are from what is usual; the
mean prediction and the share of new creatives.

Shape letters: U units, T points, C cells.
"""

import numpy as np

from lifecycle.monitor.counts.counting import HOUR_NS
from lifecycle.monitor.counts.frames import MILLION
from lifecycle.monitor.counts.panel import Panel
from lifecycle.monitor.counts.plan import FIRST, MISSING, UNKNOWN, ColumnPlan
from lifecycle.monitor.findings import Finding, Point, Trend, Verdict
from lifecycle.monitor.inputs.comparisons import clock_of
from lifecycle.monitor.inputs.references import base_counts

MOST_POINTS = 60
FEWEST_BEFORE = 7  # points before one of which it is said where it would lie
LEAST_SHARE = 1e-4  # a share that is always smaller has no series


def series_of(panel: Panel, findings: list[Finding]) -> list[Trend]:
    """Of a release; the last point of a series has the verdict of the finding about it."""
    verdicts = {(finding.subject, finding.kind): finding.verdict for finding in findings}
    step_h = max(1, -(-int(np.ptp(panel.hour_U) + 1) // MOST_POINTS))
    step_h = step_h if step_h <= 6 else -(-step_h // 24) * 24
    group_U = panel.hour_U // step_h
    found = [_mean_prediction(panel, group_U, step_h)]
    for column in panel.plan.columns:
        base_TC, at_ns = _grouped(panel, column, group_U, step_h)
        for kind, cell in (("missing", MISSING), ("unknown", UNKNOWN)):
            if column.role != "image" and base_TC[:, cell].max() > LEAST_SHARE:
                name = "new" if column.role == "creative" and kind == "unknown" else kind
                found.append(_series(column.name, name, base_TC[:, cell], at_ns, verdicts.get((column.name, kind), "ok")))
        base_UC = base_counts(panel.columns[column.name], column)
        clock = clock_of(panel, column, base_UC)
        worst: Verdict = next(
            (f.verdict for f in findings if f.subject == column.name and f.kind not in ("missing", "unknown")), "ok"
        )
        if clock is not None:
            off_T = _share(np.where(clock != 0, base_UC, 0).sum(axis=1), base_UC.sum(axis=1), group_U)
            found.append(_series(column.name, "off the time of the answer", off_T, at_ns, worst))
        elif not column.is_id:
            usual_C = (
                base_TC.mean(axis=0) if column.shares is None else np.array([column.unknown, column.missing, *column.shares])
            )
            usual_C = np.nan_to_num(usual_C.astype(float))
            distance_T = np.abs(base_TC - usual_C)[:, FIRST:].sum(axis=1) / 2
            found.append(_series(column.name, "distance", distance_T, at_ns, worst))
    return found


def _grouped(panel: Panel, column: ColumnPlan, group_U: np.ndarray, step_h: int) -> tuple[np.ndarray, np.ndarray]:
    groups, place_U = np.unique(group_U, return_inverse=True)
    base_TC = np.zeros((len(groups), column.num_base))
    for cell, base in enumerate(column.base_of()):
        base_TC[:, base] += np.bincount(place_U, panel.columns[column.name].count_UC[:, cell], minlength=len(groups))
    if column.role == "image":
        base_TC[:, MISSING] = 0
    return base_TC / np.maximum(base_TC.sum(axis=1), 1)[:, None], groups * step_h * HOUR_NS


def _share(part_U: np.ndarray, all_U: np.ndarray, group_U: np.ndarray) -> np.ndarray:
    place_U = np.unique(group_U, return_inverse=True)[1]
    return np.bincount(place_U, part_U) / np.maximum(np.bincount(place_U, all_U), 1)


def _mean_prediction(panel: Panel, group_U: np.ndarray, step_h: int) -> Trend:
    groups, place_U = np.unique(group_U, return_inverse=True)
    rows_T, sum_T = np.bincount(place_U, panel.rows_U), np.bincount(place_U, panel.predicted_U)
    points = _series("p_click", "mean", sum_T / MILLION / np.maximum(rows_T, 1), groups * step_h * HOUR_NS, "ok").points
    return Trend(subject="p_click", kind="mean", unit="predicted clicks a row", points=points)


def _usual(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each point, where most points before it lay: their median and three robust standard deviations; NaN for the first.

    To look at, not to judge by: verdicts have references of their own. 1.4826 makes the median distance of a normal's values
    from their median its standard deviation (F. R. Hampel, The influence curve and its role in robust estimation, JASA 69, 1974).
    """
    low_T, high_T = np.full(len(values), np.nan), np.full(len(values), np.nan)
    for place in range(FEWEST_BEFORE, len(values)):
        middle = np.median(values[:place])
        spread = 3 * 1.4826 * np.median(np.abs(values[:place] - middle))
        low_T[place], high_T[place] = max(0.0, middle - spread), middle + spread
    return low_T, high_T


def _series(subject: str, kind: str, values: np.ndarray, at_ns: np.ndarray, verdict: Verdict) -> Trend:
    last = len(values) - 1
    low_T, high_T = _usual(values)
    points = [
        Point(
            at_ns=int(at),
            value=float(value),
            expected_low=None if np.isnan(low) else float(low),
            expected_high=None if np.isnan(high) else float(high),
            verdict=verdict if place == last else "ok",
        )
        for place, (at, value, low, high) in enumerate(zip(at_ns, values, low_T, high_T, strict=True))
    ]
    return Trend(subject=subject, kind=kind, unit="share of rows", points=points)
