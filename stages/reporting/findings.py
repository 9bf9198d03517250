"""Sentences of the card that depend on the numbers: what was found, and what to be careful about."""

from __future__ import annotations

from typing import Any

from stages.evaluation.shortfall import BASELINES
from stages.reporting.headline import by_chance, excludes, interval, miss, slice_values, unranked

FEW_CLICKS = 200  # below this many test clicks every comparison is rough
SHOWN_VALUES = 6
DRIFT = 0.1  # observed / predicted further from 1 than this is worth a warning


def verdicts(evaluation: dict[str, Any]) -> list[str]:
    """One sentence for each rival: is the model better, worse, or not to be told apart."""
    sentences = []
    for name, rival in BASELINES.items():
        if name not in evaluation["differences"]:
            continue
        gap = evaluation["differences"][name]["log_loss"]
        if gap["low"] is None:
            verdict = f"cannot be told apart from {rival}: {gap['reason']}"
        elif gap["high"] < 0:
            verdict = f"is better than {rival}: log-loss {_gap(gap)}"
        elif gap["low"] > 0:
            verdict = f"is worse than {rival}: log-loss {_gap(gap)}"
        else:
            verdict = f"is not measurably different from {rival}: log-loss {_gap(gap)}"
        sentences.append(f"The model {verdict}.")
    return sentences


def _gap(gap: dict[str, Any]) -> str:
    return f"{gap['value']:+.5f} [{gap['low']:+.5f}, {gap['high']:+.5f}]"


def cautions(evaluation: dict[str, Any], validation: dict[str, Any]) -> list[str]:
    """What in these numbers a reader should be careful about; may be empty."""
    found = []
    clicks, ratio = evaluation["clicks"], evaluation["models"]["model"]["observed_over_predicted"]
    quiet = evaluation["rows"] - clicks
    if quiet < FEW_CLICKS:
        found.append(f"There are only {quiet:,} test rows without a click: all intervals are wide, all ranks provisional.")
    if clicks < FEW_CLICKS:
        found.append(f"There are only {clicks:,} clicks in the test rows: all intervals are wide, all ranks provisional.")
    if ratio["low"] is not None and (ratio["low"] > 1 + DRIFT or ratio["high"] < 1 - DRIFT):
        found.append(f"{miss(ratio)}: do not use the probabilities as prices without recalibration.")
    found += _off_values(evaluation)
    found += [sentence for name, slices in evaluation["slices"].items() if (sentence := _weak_values(name, slices))]
    total = validation["total"]
    if total["raw"] and total["quarantined"] / total["raw"] > 0.05:
        share = total["quarantined"] / total["raw"]
        found.append(f"{share:.1%} of the raw rows are in quarantine: what they have in common, the model does not know.")
    return found


def _off_values(evaluation: dict[str, Any]) -> list[str]:
    """One sentence about the slice values whose observed / predicted excludes 1, the largest first; none if there are none."""
    named = slice_values(evaluation)
    off = [(name, one) for name, one in named if excludes(one["observed_over_predicted"], 1.0)]
    if not off:
        return []
    largest = sorted(off, key=lambda pair: -pair[1]["rows"])[:SHOWN_VALUES]
    shown = "; ".join(f"{name}, {one['rows']:,} rows: {interval(one['observed_over_predicted'])}" for name, one in largest)
    more = f"; and {len(off) - SHOWN_VALUES} more" if len(off) > SHOWN_VALUES else ""
    chance = by_chance(evaluation, len(named))
    return [
        f"Observed / predicted is off in {len(off)} of {len(named)} slice values, of which chance explains about {chance:.0f}: "
        f"{shown}{more}."
    ]


def _weak_values(name: str, slices: list[dict[str, Any]]) -> str | None:
    weak = [one["value"] for one in slices if unranked(one)]
    if not weak:
        return None
    more = f" and {len(weak) - SHOWN_VALUES} more" if len(weak) > SHOWN_VALUES else ""
    shown = f"{', '.join(weak[:SHOWN_VALUES])}{more}"
    return f"By {name}: the ranking is not proven better than chance for {shown}."
