"""Does a slice drift away from the others over the weeks: the slope of its clicks by predictions, against those of all rows."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
from scipy import stats

from lifecycle.monitor.findings import Finding
from lifecycle.monitor.quality.history import ALL, DaySums, History
from lifecycle.monitor.quality.judge import QualityCase, QualityMeasure, judged
from lifecycle.monitor.quality.statistics.figures import growth

MIN_WEEKS = 3
NEXT_STEP = "the model grows wrong about this slice, though all rows together may look right: train again, and look at the slice"


@dataclass(frozen=True, kw_only=True)
class WeekRatio:
    """A slice's clicks by predictions, by those of all rows of the same week."""

    week: int  # 0 is the week that ends with the look, -1 the one before
    log_ratio: float
    variance: float


def judge_creep(case: QualityCase, history: History, last: date) -> list[Finding]:
    """A finding for each slice value that was seen in enough weeks; the slices share the error equally."""
    found = []
    for (release, name, value), sums in sorted(history.sums.items()):
        if release != case.release or name == ALL:
            continue
        weeks = week_ratios(sums, history.sums[(release, ALL, ALL)], last, case.config.slice_clicks, case.config.creep_weeks)
        if len(weeks) >= MIN_WEEKS:
            found.append(_slope(case, f"{name}={value}", weeks))
    spent = case.error.times(case.config.shares.creep / max(len(found), 1))
    return [replace(judged(case, one, spent), next_step=NEXT_STEP) for one in found]


def week_ratios(
    slice_sums: Sequence[DaySums], all_sums: Sequence[DaySums], last: date, least: int, num_weeks: int
) -> list[WeekRatio]:
    """Of whole weeks with at least `least` expected clicks, the oldest first."""
    here, everywhere = _by_week(slice_sums, last), _by_week(all_sums, last)
    found = []
    for week in sorted(here):
        (clicks, predicted), (all_clicks, all_predicted) = here[week], everywhere[week]
        if week > -num_weeks and clicks > 0 and predicted * all_clicks / all_predicted >= least:
            log_ratio = math.log(clicks / predicted) - math.log(all_clicks / all_predicted)
            found.append(WeekRatio(week=week, log_ratio=log_ratio, variance=1 / clicks))
    return found


def _by_week(sums: Sequence[DaySums], last: date) -> Mapping[int, tuple[float, float]]:
    weeks: dict[int, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for one in sums:
        week = weeks[-((last - one.day).days // 7)]
        week[0], week[1] = week[0] + one.clicks, week[1] + one.predicted
    return {week: (clicks, predicted) for week, (clicks, predicted) in weeks.items()}


def _slope(case: QualityCase, subject: str, weeks: Sequence[WeekRatio]) -> QualityMeasure:
    """Weighted least squares; where weeks scatter more than counts do, the error is widened by as much (Birge 1932), and
    as uncertain as so few weeks make it: Student's t.
    """
    at = np.array([one.week for one in weeks], dtype=np.float64)
    value = np.array([one.log_ratio for one in weeks])
    weight = 1 / np.array([one.variance for one in weeks])
    centred = at - np.average(at, weights=weight)
    spread = float((weight * centred**2).sum())
    slope = float((weight * centred * value).sum()) / spread
    rest = value - np.average(value, weights=weight) - slope * centred
    scatter = max(1.0, float((weight * rest**2).sum()) / max(len(weeks) - 2, 1))
    error, span = math.sqrt(scatter / spread), float(at[-1] - at[0])
    chance = stats.t(max(len(weeks) - 2, 1)) if scatter > 1 else stats.norm()
    quantile = float(chance.isf((1 - case.config.confidence) / 2))
    low, high = (growth((slope + side * quantile * error) * span) for side in (-1, 1))
    return QualityMeasure(
        kind="creep",
        subject=subject,
        unit="growth of clicks by predictions beyond that of all rows, over the weeks",
        effect=growth(slope * span),
        chance=lambda level: growth(float(chance.isf(level / 2)) * error * span),
        p_value=2 * float(chance.sf(abs(slope) / error)),
        interval=(low, high),
        sentence=f"release {case.release}, {subject}: against all rows its clicks by predictions went from "
        f"{math.exp(value[0]):.3f} to {math.exp(value[-1]):.3f} in {span + 1:.0f} weeks, {math.expm1(slope):+.1%} a week",
        evidence={"slope": slope, "error": error, "weeks": float(len(weeks)), "span": span},
    )
