"""Findings about slices: clicks by predictions of a value of a column, beyond what all rows are off by."""

from dataclasses import replace

import numpy as np

from lifecycle.monitor.findings import Finding
from lifecycle.monitor.quality.judge import QualityCase, QualityMeasure, judged
from lifecycle.monitor.quality.statistics.clusters import Wideness, group_wideness
from lifecycle.monitor.quality.statistics.counts import CountTest, compare_counts, dispersion_of, evidence_of_reference

MAX_VALUES = 50  # of a slice that are judged, those with the most expected clicks
NEXT_STEP = (
    "compare this slice's rows with the others': does its site, device or form send something else, or count clicks otherwise"
)


def judge_slices(case: QualityCase) -> list[Finding]:
    """A finding for each value with enough expected clicks; their errors are controlled together by Holm's procedure (1979)."""
    found = [one for name in case.rows.slices for one in measure_slice(case, name)]
    spent = case.error.times(case.config.shares.slices)
    order = sorted(range(len(found)), key=lambda i: found[i].p_value)
    findings, rejects, one = [], True, spent
    for place, i in enumerate(order):
        if rejects:  # those after the first that is not rejected have its share: their chances are no smaller
            one = spent.times(1 / (len(found) - place))
        rejects = rejects and found[i].p_value <= one.warning
        findings.append(replace(judged(case, found[i], one), next_step=NEXT_STEP))
    return findings


def measure_slice(case: QualityCase, name: str) -> list[QualityMeasure]:
    rows = case.rows
    codes_N, values = rows.slices[name]
    clicks_G, predicted_G, rows_G = (np.bincount(codes_N, weights, len(values)) for weights in (rows.label_N, rows.p_N, None))
    off = rows.clicks / case.expected.clicks  # of all rows
    promised = case.promised.slices.get(name, {})
    expected_G = predicted_G * off * np.array([promised[v].ratio if v in promised else case.promised.total.ratio for v in values])
    ratio_G = np.where(predicted_G > 0, clicks_G / np.maximum(predicted_G, 1e-12), 1.0)
    influence_N = (rows.label_N - ratio_G[codes_N] * rows.p_N) / np.maximum(predicted_G, 1e-12)[codes_N]
    judged_G = [g for g in np.argsort(-expected_G, kind="stable")[:MAX_VALUES] if expected_G[g] >= case.config.slice_clicks]
    if len(values) < 2 or not judged_G:
        return []
    widths = group_wideness(influence_N, codes_N, len(values), rows.units)
    found = []
    for g in judged_G:
        there = promised.get(values[g], case.promised.total)
        test = _test(clicks_G[g], expected_G[g], predicted_G[g], widths[g], rows.floor, there.clicks, there.rows / rows_G[g])
        found.append(_measure(case, f"{name}={values[g]}", clicks_G[g], expected_G[g], widths[g], test))
    return found


def _test(
    clicks: float, expected: float, predicted: float, width: Wideness, floor: float, given: float, times: float
) -> CountTest:
    dispersion = dispersion_of(width, predicted, clicks, floor)
    return compare_counts(clicks, expected, dispersion, evidence_of_reference(max(given, 1.0), width, times), width.freedom)


def _measure(case: QualityCase, subject: str, clicks: float, expected: float, width: Wideness, test: CountTest) -> QualityMeasure:
    low, high = test.interval(case.config.confidence)
    return QualityMeasure(
        kind="slices",
        subject=subject,
        unit="clicks beyond those that all rows and the promise mean, as a share of these",
        effect=test.ratio - 1,
        chance=test.chance,
        p_value=test.p_value,
        interval=(low - 1, high - 1),
        sentence=f"release {case.release}, {subject}: {clicks:,.0f} clicks in {case.name}, where {expected:,.0f} were "
        f"to be expected of such rows: {test.ratio:.3f} times as many ({low:.3f} to {high:.3f}, by {width.by})",
        evidence={"clicks": float(clicks), "expected": float(expected), "by": width.by, "freedom": width.freedom},
    )
