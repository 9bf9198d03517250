"""Findings about all rows of a window: their clicks, log-loss and normalised entropy against what was promised of such rows."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import stats

from contracts.lifecycle.monitor import QualityConfig
from lifecycle.monitor.findings import Finding, Verdict
from lifecycle.monitor.quality.looks import ErrorShare
from lifecycle.monitor.quality.promise import Expectation, Promised, expectation
from lifecycle.monitor.quality.rows import QualityRows
from lifecycle.monitor.quality.statistics.clusters import Wideness, wideness
from lifecycle.monitor.quality.statistics.counts import compare_counts, dispersion_of, evidence_of_reference
from lifecycle.monitor.quality.statistics.figures import QualityFigure, entropy, growth, normalised_entropy, ratio

NEXT = {
    "calibration": "look at the slices: if all are off by as much, clicks are counted otherwise or tastes have changed; if one "
    "is, look there; else train again on the labelled rows",
    "log_loss": "see which predictions are off (calibration table), and whether inputs or skew say why; then train again",
    "normalised_entropy": "clicks are told apart less well: look for inputs that became empty or unknown, then train again",
}


@dataclass(frozen=True, kw_only=True)
class QualityCase:
    """A window of one release's rows, what was promised of them, and what this look may spend."""

    rows: QualityRows
    promised: Promised
    config: QualityConfig
    error: ErrorShare
    release: int
    name: str  # of the window, in a sentence

    @cached_property
    def expected(self) -> Expectation:
        return expectation(self.promised, self.rows.stratum_N, self.rows.p_N, self.rows.own_loss_N)


@dataclass(frozen=True, kw_only=True)
class QualityMeasure:
    """One figure of a case, held against its expectation; `effect` is its growth as a share of that."""

    kind: str
    subject: str
    unit: str
    effect: float
    chance: Callable[[float], float]  # the largest effect that chance alone gives, of the error that may be spent
    p_value: float
    interval: tuple[float, float]
    sentence: str
    evidence: dict[str, float | str]


def judge_totals(case: QualityCase) -> list[Finding]:
    """Of a window with enough clicks; without, nothing."""
    if case.rows.clicks < case.config.min_clicks:
        return []
    expected = case.expected
    return [judged(case, one) for one in (_calibration(case, expected), *_losses(case, expected))]


def judged(case: QualityCase, found: QualityMeasure, error: ErrorShare | None = None) -> Finding:
    """With its verdict: beyond chance at what may be spent, and large enough."""
    kind, config = found.kind, case.config
    spent = error or case.error.times(getattr(config.shares, kind))
    verdict: Verdict = "ok"
    if found.p_value <= spent.warning:
        size = abs(found.effect)
        paged = found.p_value <= spent.page and size >= getattr(config.page, kind)
        verdict = "page" if paged else "warning" if size >= getattr(config.warning, kind) else "watch"
    return Finding(
        area="quality", subject=found.subject, kind=kind, verdict=verdict, effect=found.effect, unit=found.unit,
        chance=found.chance(spent.warning), level=spent.warning, p_value=found.p_value, window=case.rows.looked,
        sentence=found.sentence, next_step=NEXT.get(kind, ""), release=case.release, interval=found.interval,
        evidence=found.evidence,
    )  # fmt: skip


def _calibration(case: QualityCase, expected: Expectation) -> QualityMeasure:
    rows = case.rows
    width = wideness(ratio(rows.label_N, rows.p_N).influence_N, rows.units)
    dispersion = dispersion_of(width, rows.predicted, rows.clicks, rows.floor)
    given = evidence_of_reference(expected.given, width, expected.rows / len(rows))
    test = compare_counts(rows.clicks, expected.clicks, dispersion, given, width.freedom)
    low, high = test.interval(case.config.confidence)
    share = 100 * case.config.confidence
    return QualityMeasure(
        kind="calibration",
        subject="p_click",
        unit="clicks beyond those that were promised, as a share of these",
        effect=test.ratio - 1,
        chance=test.chance,
        p_value=test.p_value,
        interval=(low - 1, high - 1),
        sentence=f"release {case.release}: {rows.clicks:,.0f} clicks in {case.name}, where its predictions and the promise mean "
        f"{expected.clicks:,.0f}: {test.ratio:.3f} times as many ({share:g} % interval {low:.3f} to {high:.3f}, by {width.by})",
        evidence={
            "clicks": rows.clicks, "predicted": rows.predicted, "expected": expected.clicks, "given": given,
            "dispersion": dispersion, "by": width.by, "freedom": width.freedom,
        },
    )  # fmt: skip


def _losses(case: QualityCase, expected: Expectation) -> Iterator[QualityMeasure]:
    """Log-loss by what the predictions expect of themselves, whatever they are; and by the entropy of the click rate."""
    rows, is_told = case.rows, case.promised.is_told
    promise = f", promised of such rows were {expected.log_loss:.4f}" if is_told else ""
    if math.isfinite(expected.excess):
        excess = ratio(rows.loss_N, rows.own_loss_N)
        yield _grown(
            case, expected, "log_loss", excess, expected.excess,
            f"release {case.release}: log-loss {rows.loss_N.mean():.4f} in {case.name}{promise}; it is {excess.value:.3f} times "
            f"what the predictions expect of themselves, {expected.excess:.3f} times were promised",
        )  # fmt: skip
    now = normalised_entropy(rows.label_N, rows.p_N)
    if now is not None and is_told and 0 < expected.rate < 1:
        before = expected.log_loss / float(entropy(np.array(expected.rate)))
        yield _grown(
            case, expected, "normalised_entropy", now, before,
            f"release {case.release}: normalised entropy {now.value:.4f} in {case.name}, promised of such rows were {before:.4f}",
        )  # fmt: skip


def _grown(
    case: QualityCase, expected: Expectation, kind: str, figure: QualityFigure, before: float, sentence: str
) -> QualityMeasure:
    """Has the figure grown beyond its value in the evaluation; a fall is none to act on."""
    width = wideness(figure.influence_N / figure.value, case.rows.units)  # of its logarithm
    error = math.sqrt(width.widest + reference_variance(width, len(case.rows), expected.rows))
    grown = math.log(figure.value / before)
    quantile = float(stats.t.isf((1 - case.config.confidence) / 2, width.freedom))
    return QualityMeasure(
        kind=kind,
        subject="p_click",
        unit="growth, as a share of what was promised",
        effect=growth(grown),
        chance=lambda level: growth(float(stats.t.isf(level, width.freedom)) * error),
        p_value=width.p_value(grown / error) if error > 0 else float(grown <= 0),
        interval=(growth(grown - quantile * error), growth(grown + quantile * error)),
        sentence=sentence,
        evidence={"value": figure.value, "before": before, "error": error, "by": width.by, "freedom": width.freedom},
    )


def reference_variance(width: Wideness, rows: int, given: float) -> float:
    """Of the same figure in an evaluation of `given` rows."""
    return 0.0 if math.isinf(given) else (width.widest - width.shared) * rows / given + width.shared
