"""The verdict of the statistics at every look: promote, hold or back. `judge` makes it of rows, `judge_sums` of what was kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from contracts.lifecycle.rollout import RolloutConfig
from contracts.serving.route import BUCKETS
from lifecycle.rollout.judgement import Judgement, RatioVerdict, Verdict
from lifecycle.rollout.pairs import ROLE_CHALLENGER
from lifecycle.rollout.rollout import Step
from lifecycle.rollout.statistics.cells import CHALLENGER, CHAMPION, Table
from lifecycle.rollout.statistics.metrics import MetricAnswers, calibration, log_loss, shadow_loss, slice_loss
from lifecycle.rollout.statistics.ratio import sample_ratio
from lifecycle.rollout.statistics.shown import metric_verdicts
from lifecycle.rollout.statistics.sums import CANARY, SHADOW, SLICES, EvidenceLooks, looked_at

RATIO = "ratio"


@dataclass(frozen=True, kw_only=True)
class LookVerdicts:
    """Of every look: what each table's metrics answer, and what follows."""

    answers: Mapping[tuple[str, str], MetricAnswers]  # by table and metric
    promotes_L: np.ndarray
    fails_L: np.ndarray

    @property
    def first_fail(self) -> int | None:
        """The first look that sends back; nothing that comes after it counts."""
        failed = np.flatnonzero(self.fails_L)
        return int(failed[0]) if len(failed) else None


def judge(pairs: pl.DataFrame, assigned: pl.DataFrame, steps: Sequence[Step], config: RolloutConfig) -> list[Judgement]:
    """The last look of each day, until the first look that sends back, which is the last. Empty without rows.

    A look that promotes ends nothing: a challenger that could be promoted before the last step can still fail in a later one. The
    last look is the one to act upon. `pairs`: PAIR_SCHEMA and watched columns, of whole days, sorted by answer; `assigned`:
    ASSIGNED_SCHEMA, likewise.
    """
    shadow = frozenset(step.number for step in steps if step.mode == "shadow")
    shares = {step.number: step.share_ppm / BUCKETS for step in steps if step.mode == "canary"}
    if pairs.is_empty():
        return []
    looked = looked_at(pairs, shadow, config)
    found = verdicts(looked.tables, config)
    last, kept = found.first_fail, np.flatnonzero(looked.ends_day_L)
    if last is not None:
        kept = np.append(kept[kept < last], last)
    judgements: list[Judgement] = []
    for look in kept.tolist():
        until_ns = int(looked.until_ns_L[look])
        ratios = ratios_until(assigned, shares, until_ns, config)
        judgements.append(_judgement(looked, look, ratios, config))
        if judgements[-1].verdict == "back":
            break
    return judgements


def judge_sums(sums: Mapping[str, float], config: RolloutConfig, rows: int = 0, until_ns: int = 0) -> Judgement:
    """The judgement again, of what was kept of it. `rows` and `until_ns` are only said again."""
    tables: dict[str, Table] = {}
    ratios = []
    for name, value in sums.items():
        table, _, variable = name.partition(":")
        if table.startswith(f"{RATIO}/"):
            continue
        tables.setdefault(table, {})[variable] = np.array([value])
    for name in (name for name in sums if name.startswith(f"{RATIO}/") and name.endswith(":share")):
        head = name.removesuffix("share")
        step, counts = int(head.split("/")[1].rstrip(":")), (int(sums[f"{head}champion"]), int(sums[f"{head}challenger"]))
        ratios.append(sample_ratio(step, sums[name], *counts, config.alpha_ratio))
    return _concluded(tables, tuple(ratios), rows, until_ns, config, sums)


def verdicts(tables: Mapping[str, Table], config: RolloutConfig) -> LookVerdicts:
    answers: dict[tuple[str, str], MetricAnswers] = {
        (CANARY, "log_loss"): log_loss(tables[CANARY], config),
        (CANARY, "calibration"): calibration(tables[CANARY], config),
        (SHADOW, "log_loss"): shadow_loss(tables[SHADOW], config),
    }
    for name in (name for name in tables if name.startswith(f"{SLICES}/")):
        answers[(name, "slice")] = slice_loss(tables[name], tables[CANARY], config, int(name.split("/")[1]))
    promotes = answers[(CANARY, "log_loss")].passes & answers[(CANARY, "calibration")].passes
    fails = np.logical_or.reduce([answer.fails for answer in answers.values()])
    return LookVerdicts(answers=answers, promotes_L=promotes & ~fails, fails_L=fails)


def ratios_until(
    assigned: pl.DataFrame, shares: Mapping[int, float], until_ns: int, config: RolloutConfig
) -> tuple[RatioVerdict, ...]:
    """Of each canary step, by the keys that it saw until then."""
    seen = assigned.filter(pl.col("answered_at").dt.epoch("ns") <= until_ns)
    counts = seen.group_by("step").agg((pl.col("arm") == ROLE_CHALLENGER).sum().alias("ours"), pl.len())
    return tuple(
        sample_ratio(step, shares[step], number - ours, ours, config.alpha_ratio)
        for step, ours, number in sorted(counts.iter_rows())
        if 0 < shares.get(step, 0.0) < 1
    )


def _judgement(looked: EvidenceLooks, look: int, ratios: tuple[RatioVerdict, ...], config: RolloutConfig) -> Judgement:
    tables = {
        name: {variable: value_L[look : look + 1] for variable, value_L in table.items()}
        for name, table in looked.tables.items()
        if name in (CANARY, SHADOW) or _has_rows(table, look)  # of a slice that is seen later nothing is known yet
    }
    sums = {f"{name}:{variable}": float(value[0]) for name, table in tables.items() for variable, value in table.items()}
    for ratio in ratios:
        head = f"{RATIO}/{ratio.step}"
        sums |= {f"{head}:share": ratio.expected, f"{head}:champion": ratio.champion, f"{head}:challenger": ratio.challenger}
    return _concluded(tables, ratios, int(looked.rows_L[look]), int(looked.until_ns_L[look]), config, sums)


def _has_rows(table: Table, look: int) -> bool:
    return bool(table[f"{CHAMPION}/rows"][look] + table[f"{CHALLENGER}/rows"][look])


def _concluded(
    tables: Mapping[str, Table],
    ratios: tuple[RatioVerdict, ...],
    rows: int,
    until_ns: int,
    config: RolloutConfig,
    sums: Mapping[str, float],
) -> Judgement:
    found = verdicts(tables, config)
    metrics = metric_verdicts(tables, found.answers, config)
    mismatches = [
        f"step {ratio.step}: {ratio.challenger} of {ratio.champion + ratio.challenger} routing keys are the challenger's, "
        f"{ratio.expected:.2%} were to be"
        for ratio in ratios
        if ratio.is_mismatch
    ]
    failed = [metric.reason for metric in metrics if metric.verdict == "fail"]
    verdict: Verdict = "back" if mismatches or failed else "promote" if bool(found.promotes_L[0]) else "hold"
    reasons = [*mismatches, *failed] if verdict == "back" else [one.reason for one in metrics if one.metric != "slice"]
    return Judgement(
        rows=rows, until_ns=until_ns, verdict=verdict, metrics=metrics, ratios=ratios, reasons=tuple(reasons), sums=dict(sums)
    )
