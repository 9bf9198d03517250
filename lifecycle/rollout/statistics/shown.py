"""A look's metrics in figures and words."""

from collections.abc import Mapping, Sequence

import numpy as np

from contracts.lifecycle.rollout import RolloutConfig
from lifecycle.rollout.judgement import Interval, Judged, MetricVerdict
from lifecycle.rollout.statistics.cells import CHALLENGER, CHAMPION, Table
from lifecycle.rollout.statistics.figures import InArm, champion_loss, estimated, excess_loss, mean_excess, shift
from lifecycle.rollout.statistics.metrics import MetricAnswers
from lifecycle.rollout.statistics.mixture import bound
from lifecycle.rollout.statistics.sums import CANARY, SHADOW, SLICES

VIEWS = ("both", "own", "other", "interaction", "rows")


def metric_verdicts(
    tables: Mapping[str, Table], answers: Mapping[tuple[str, str], MetricAnswers], config: RolloutConfig
) -> tuple[MetricVerdict, ...]:
    """Of tables of one look each. Intervals at chance alpha_promote to each side; differences of log-loss as shares of the
    champion's.
    """
    found = []
    for (name, metric), answer in answers.items():
        table = tables[name]
        if not _rows(table):
            continue
        views = _views(table, name, metric, config)
        judged: Judged = "fail" if bool(answer.fails[0]) else "pass" if bool(answer.passes[0]) else "open"
        subject = "shadow" if name == SHADOW else "" if name == CANARY else name.split("/", 2)[2]
        found.append(
            MetricVerdict(
                metric=metric,
                subject=subject,
                verdict=judged,
                both=views["both"],
                own=views["own"],
                other=views["other"],
                interaction=views["interaction"],
                rows=_rows(table),
                units=int(table[f"{CHAMPION}/units"][0] + table[f"{CHALLENGER}/units"][0]),
                clicks=int(table[f"{CHAMPION}/clicks"][0] + table[f"{CHALLENGER}/clicks"][0]),
                reason=_reason(metric, subject, judged, *_decisive(name, metric, judged, views), _rows(table)),
            )
        )
    return tuple(found)


def _decisive(name: str, metric: str, judged: Judged, views: Mapping[str, Interval | None]) -> tuple[Interval | None, str]:
    """What the verdict follows from, and how it weighs the arms where that is not alike."""
    if name == SHADOW:
        return views["other"], ""
    both, rows = views["both"], views["rows"]
    if metric != "calibration" and judged == "fail" and both and rows and rows.low > both.low:
        return rows, ", weighed by rows"
    return both, ""


def _rows(table: Table) -> int:
    return int(table[f"{CHAMPION}/rows"][0] + table[f"{CHALLENGER}/rows"][0])


def _views(table: Table, name: str, metric: str, config: RolloutConfig) -> dict[str, Interval | None]:
    loss = champion_loss(table)
    if metric == "calibration":
        return {view: _interval(table, shift, view, np.ones(1), config.calibration_margin, config) for view in VIEWS}
    if name.startswith(f"{SLICES}/"):  # z is the excess beyond the margin: that is added again
        shown = {view: _interval(table, mean_excess, view, loss, config.slice_margin, config) for view in VIEWS}
        return {view: one if view == "interaction" else _moved(one, config.slice_margin) for view, one in shown.items()}
    return {view: _interval(table, excess_loss(0.0), view, loss, config.effect, config) for view in VIEWS}


def _interval(table: Table, of: InArm, view: str, unit: np.ndarray, effect: float, config: RolloutConfig) -> Interval | None:
    found = estimated(table, of, view)
    if not (np.isfinite(found.value[0]) and np.isfinite(found.error[0]) and found.error[0] > 0):
        return None
    wide = bound(config.alpha_promote, (effect * unit / found.error) ** 2) * found.error
    middle, half = float((found.value / unit)[0]), float((wide / unit)[0])
    return Interval(estimate=middle, low=middle - half, high=middle + half)


def _moved(one: Interval | None, by: float) -> Interval | None:
    """The slices' unit is the champion's loss of all the slice's rows, so that this is exact where both arms are alike."""
    return None if one is None else Interval(estimate=one.estimate + by, low=one.low + by, high=one.high + by)


WORDS = {
    "log_loss": "log-loss against the champion's",
    "calibration": "predicted clicks by the champion's (logarithm)",
    "slice": "log-loss against the champion's",
}


def _reason(metric: str, subject: str, judged: Judged, shown: Interval | None, weighed: str, rows: int) -> str:
    of = f" of {subject}" if subject else ""
    if shown is None:
        return f"{WORDS[metric]}{of}: too little is known of {rows:,} rows"
    percent: Sequence[str] = [f"{value:+.2%}" for value in (shown.estimate, shown.low, shown.high)]
    outcome = {"fail": "it is worse than it may be", "pass": "it is as good as it must be", "open": "not decided"}[judged]
    return f"{WORDS[metric]}{of}: {percent[0]} (between {percent[1]} and {percent[2]}) on {rows:,} rows{weighed}: {outcome}"
