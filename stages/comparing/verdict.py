"""The verdict over a candidate: better, not_worse, worse or suspicious, with the reasons; and whether it passes."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats

from stages.comparing.config import CompareConfig
from stages.comparing.findings import Finding, finding
from stages.comparing.paired import CLICKS, PairedSums, candidate_ratio, champion_ratio, relative

FIRST, SAME, NOT_COMPARABLE = "first", "same", "not_comparable"
FAR = 2  # margins above the champion's log-loss, from which on a candidate that is surely worse is too much so
FEW_CLICKS = 30  # a slice value with fewer has no say
SHOWN_VETOES = 3
TAIL = 0.001  # chance that any value of the watched slices vetoes although none is worse


def by_log_loss(estimate: dict[str, Any], cfg: CompareConfig) -> tuple[str, str]:
    """better, not_worse or worse by the relative difference of the log-loss, and a clause that says why."""
    value, low, high = estimate["value"], estimate["low"], estimate["high"]
    if low is None:
        return cfg.unproven, f"log-loss {value:+.2%}, {estimate['reason']}; compare.unproven decides"
    shown = f"log-loss {value:+.2%} [{low:+.2%}, {high:+.2%}] of the champion's, whole {estimate['by']} drawn"
    if high < 0:
        return "better", shown
    if high <= cfg.margin:
        return "not_worse", f"{shown}; up to {cfg.margin:+.2%} counts as none"
    if low > cfg.margin or (low > 0 and value >= FAR * cfg.margin):
        return "worse", f"{shown}; up to {cfg.margin:+.2%} would count as none"
    text = f"{shown}; the test rows cannot tell whether it is within {cfg.margin:+.2%}, compare.unproven decides"
    return cfg.unproven, text


def passes(verdict: str, cfg: CompareConfig) -> bool:
    return verdict in {"better": ("better",), "not_worse": ("better", "not_worse")}[cfg.need]


def vetoes(sums: PairedSums, watched: list[int], cfg: CompareConfig) -> list[Finding]:
    """Values of the watched slices (by their place) that are worse, the surest first, and slices whose gap has grown."""
    groups = [(place, group) for place in watched for group in sums.groups(place)]
    judged = [(place, group) for place, group in groups if sums.point(group)[CLICKS] >= FEW_CLICKS]
    bound = stats.norm.ppf(1 - TAIL / max(len(judged), 1))
    found = []
    for place, group in judged:
        value = float(relative(sums.point(group)))
        error = max(float(np.nanstd(drawn)) for drawn in sums.replicates(group, relative))
        if value > cfg.watch_margin and value - bound * error > 0:
            one = sums.slices[place]
            where = f"{one.name} = {one.values[group - sums.groups(place)[0]]}"
            text = f"{where}: log-loss {value:+.2%} of the champion's, more than {cfg.watch_margin:+.0%} (compare.watch_margin)"
            found.append((value - bound * error, finding("slice", where, text)))
    found = [one for _, one in sorted(found, key=lambda pair: -pair[0])]
    return found + [gap for place in watched if (gap := _grown_gap(sums, place, cfg)) is not None]


def _grown_gap(sums: PairedSums, place: int, cfg: CompareConfig) -> Finding | None:
    """The gap between a slice's values in log(observed / predicted), if it has grown by more than is allowed and by chance."""
    name, before, now, error = gap_of(sums, place)
    if error is None or now - before <= cfg.max_gap_growth or now - before <= stats.norm.ppf(1 - TAIL / 2) * error:
        return None
    text = f"{name}: the gap between its values in log(observed / predicted) grows from {before:.2f} to {now:.2f}"
    return finding("gap", name, f"{text}, by more than {cfg.max_gap_growth:g} (compare.max_gap_growth)")


def gap_of(sums: PairedSums, place: int) -> tuple[str, float, float, float | None]:
    """Name of a slice, its gap by champion and by candidate, and the standard error of the growth (None: too few clicks)."""
    groups = [group for group in sums.groups(place) if sums.point(group)[CLICKS] >= FEW_CLICKS]
    name = sums.slices[place].name
    if len(groups) < 2:
        return name, 0.0, 0.0, None
    before, now = (_spread([ratio(sums.point(group)) for group in groups]) for ratio in (champion_ratio, candidate_ratio))
    errors = []
    for kind in range(len(sums.replicates(groups[0], relative))):
        drawn = [
            _spread([sums.replicates(group, ratio)[kind] for group in groups]) for ratio in (champion_ratio, candidate_ratio)
        ]
        grown = drawn[1] - drawn[0]
        errors.append(float(np.nanstd(grown[np.isfinite(grown)])))
    return name, float(before), float(now), max(errors)


def _spread(ratios: list[Any]) -> Any:
    """Largest minus smallest log of the ratios, along the list."""
    with np.errstate(divide="ignore"):
        logs = np.log(np.stack([np.asarray(ratio) for ratio in ratios]))
    return logs.max(axis=0) - logs.min(axis=0)


def decide(estimate: dict[str, Any], suspicions: list[Finding], vetoed: list[Finding], cfg: CompareConfig) -> dict[str, Any]:
    """verdict, passes, need, and reasons: the first is the shortest answer to why."""
    verdict, why = by_log_loss(estimate, cfg)
    if suspicions:
        verdict = "suspicious"
    elif vetoed:
        verdict = "worse"
    told = [one["text"] for one in vetoed[:SHOWN_VETOES]]
    told += [f"and {len(vetoed) - SHOWN_VETOES} more vetoes of slices"] if len(vetoed) > SHOWN_VETOES else []
    reasons = [*(one["text"] for one in suspicions), *told, why]
    return {"verdict": verdict, "passes": passes(verdict, cfg), "need": cfg.need, "reasons": reasons}
