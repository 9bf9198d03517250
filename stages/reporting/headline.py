"""The first line of the card: what is wrong, then what is good, each in a few words. From what `evaluate` found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from stages.evaluation.shortfall import BASELINES

RIGHT = 1.0  # observed / predicted of a calibrated model
SHOWN = 3  # slice values that are named

Named = tuple[str, Mapping[str, Any]]  # "device = tv" and what was found about it


def headline(evaluation: Mapping[str, Any]) -> dict[str, list[str]]:
    """Clauses under `wrong` and `good`, the worst first. What chance explains is under neither."""
    return {"wrong": list(wrong(evaluation)), "good": list(good(evaluation))}


def wrong(evaluation: Mapping[str, Any]) -> Iterable[str]:
    """Worse than a baseline; observed / predicted that excludes 1; slices that are off, or worse, or not ranked."""
    if worse := rivals(evaluation, "worse"):
        yield f"worse in log-loss than {listed(worse)}"
    ratio = evaluation["models"]["model"]["observed_over_predicted"]
    if excludes(ratio, RIGHT):
        yield f"{miss(ratio)} (observed / predicted {interval(ratio)}, should be 1)"
    named = slice_values(evaluation)
    off = sorted((one for one in named if excludes(one[1]["observed_over_predicted"], RIGHT)), key=_distance, reverse=True)
    if len(off) > by_chance(evaluation, len(named)):
        worst = "; ".join(f"{name}: {one['observed_over_predicted']['value']:.2f}" for name, one in off[:SHOWN])
        chance = f"by chance {by_chance(evaluation, len(named)):.0f}"
        yield f"{len(off)} of {len(named)} slice values are off in observed / predicted ({chance}; worst: {worst})"
    behind = [name for name, one in named if _above(one.get("log_loss_minus_lightgbm"), 0.0)]
    if len(behind) > by_chance(evaluation, len(named)):
        yield f"worse in log-loss than LightGBM in {shortened(behind)}"
    if blind := [name for name, one in named if unranked(one)]:
        yield f"ranking not proven better than chance in {shortened(blind)}"


def good(evaluation: Mapping[str, Any]) -> Iterable[str]:
    """Better than baselines; observed / predicted that agrees with 1."""
    if better := rivals(evaluation, "better"):
        yield f"better in log-loss than {listed(better)}"
    ratio = evaluation["models"]["model"]["observed_over_predicted"]
    if ratio["low"] is not None and not excludes(ratio, RIGHT):
        yield f"as many clicks came as predicted (observed / predicted {interval(ratio)})"


def rivals(evaluation: Mapping[str, Any], verdict: str) -> list[str]:
    """Titles of the baselines against which the model is `better` or `worse` in log-loss, outside the paired interval."""
    gaps = evaluation["differences"]
    return [title for name, title in BASELINES.items() if name in gaps and standing(gaps[name]["log_loss"]) == verdict]


def standing(gap: Mapping[str, Any]) -> str:
    """`better`, `worse` or `undecided`, from the interval of a difference of which below 0 is better."""
    if gap["low"] is None or gap["low"] <= 0 <= gap["high"]:
        return "undecided"
    return "worse" if gap["low"] > 0 else "better"


def slice_values(evaluation: Mapping[str, Any]) -> list[Named]:
    return [(f"{name} = {one['value']}", one) for name, entries in evaluation["slices"].items() for one in entries]


def by_chance(evaluation: Mapping[str, Any], number: int) -> float:
    """How many of `number` intervals miss what they are about although nothing is wrong."""
    return number * (1 - evaluation["settings"]["confidence"])


def unranked(one: Mapping[str, Any]) -> bool:
    return one["auc"]["low"] is not None and one["auc"]["low"] <= 0.5


def excludes(estimate: Mapping[str, Any], value: float) -> bool:
    return estimate["low"] is not None and not estimate["low"] <= value <= estimate["high"]


def miss(ratio: Mapping[str, Any]) -> str:
    """`10% more clicks came than predicted`, from an estimate of observed / predicted."""
    return f"{abs(ratio['value'] - 1):.0%} {'more' if ratio['value'] > 1 else 'fewer'} clicks came than predicted"


def interval(estimate: Mapping[str, Any]) -> str:
    return f"{estimate['value']:.3f} [{estimate['low']:.3f}, {estimate['high']:.3f}]"


def listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def shortened(names: list[str]) -> str:
    """The first names, and how many more there are."""
    more = len(names) - SHOWN
    return listed(names) if more <= 0 else f"{', '.join(names[:SHOWN])} and {more} more"


def _above(estimate: Mapping[str, Any] | None, value: float) -> bool:
    return estimate is not None and estimate["low"] is not None and estimate["low"] > value


def _distance(named: Named) -> float:
    """How far the near end of the interval is from 1."""
    ratio = named[1]["observed_over_predicted"]
    return max(ratio["low"] - RIGHT, RIGHT - ratio["high"])
