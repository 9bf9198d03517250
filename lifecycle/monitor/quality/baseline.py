"""Is the model still better than a smoothed click rate of each creative, made of the labels that there were the day before."""

import math
from dataclasses import replace

import numpy as np
from scipy import stats

from lifecycle.monitor.findings import Finding
from lifecycle.monitor.quality.judge import QualityCase, QualityMeasure, judged
from lifecycle.monitor.quality.statistics.clusters import wideness
from lifecycle.monitor.quality.statistics.figures import ratio, row_loss

NEXT_STEP = "go back to an older release or train again: a table of click rates would do better than what is served"


def judge_baseline(case: QualityCase, baseline_N: np.ndarray) -> list[Finding]:
    """A finding if rows have a baseline (NaN: none). Differences of losses row by row, so that what both find hard falls out."""
    there = np.isfinite(baseline_N)
    if case.rows.label_N[there].sum() < case.config.min_clicks:
        return []
    loss_N, other_N = case.rows.loss_N[there], row_loss(case.rows.label_N[there], baseline_N[there])
    by = ratio(loss_N, other_N)
    width = wideness(by.influence_N, {name: codes_N[there] for name, codes_N in case.rows.units.items()})
    above, error = by.value - 1, width.error
    quantile = width.quantile(1 - case.config.confidence)
    found = QualityMeasure(
        kind="baseline",
        subject="p_click",
        unit="log-loss above that of a smoothed click rate of the creative, as a share of it",
        effect=above,
        chance=lambda level: float(stats.t.isf(level, width.freedom)) * error,
        p_value=width.p_value(above / error) if error > 0 else float(above <= 0),
        interval=(above - quantile * error, above + quantile * error),
        sentence=f"release {case.release}: log-loss {loss_N.mean():.4f} in {case.name}, of a smoothed click rate of the creative "
        f"{other_N.mean():.4f} ({above:+.1%})",
        evidence={"ours": float(loss_N.mean()), "baseline": float(other_N.mean()), "error": error, "by": width.by},
    )
    return [replace(judged(case, found), next_step=NEXT_STEP)] if math.isfinite(above) else []
