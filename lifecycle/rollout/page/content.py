"""What the page of a rollout shows: how it stands, steps, sequences of each metric, slices, sample ratio, who decided what."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from lifecycle.monitor.findings import Point, Trend, Verdict
from lifecycle.rollout.control.files import Decision, Remembered
from lifecycle.rollout.judgement import Interval, Judged, Judgement, MetricVerdict
from lifecycle.rollout.page.guards import guards_of, holds_of
from lifecycle.rollout.rollout import Step

VIEWS = {
    "both": "mean of both arms' traffic: what decides",
    "own": "on the challenger's traffic",
    "other": "on the champion's traffic",
    "interaction": "own less other: what being chosen does",
}
MARKED: dict[str, Verdict] = {"pass": "ok", "open": "ok", "fail": "page"}
TITLES = {
    ("log_loss", ""): "Log-loss, canary",
    ("log_loss", "shadow"): "Log-loss, shadow",
    ("calibration", ""): "Predicted clicks against the champion's",
}
OUTCOMES = {"promoted": "ok", "back": "page", "aborted": "warning"}


@dataclass(frozen=True, kw_only=True)
class MetricSeries:
    """A metric over the looks."""

    title: str
    last: MetricVerdict
    views: Sequence[tuple[str, str, Trend]]  # which, its meaning, and its points


def page_of(remembered: Remembered, decisions: Sequence[Decision]) -> dict[str, Any]:
    """Values of the template."""
    rollout, config = remembered.rollout, remembered.config
    looks = [one.judgement for one in decisions if one.judgement is not None]
    last = looks[-1] if looks else None
    return {
        "rollout": rollout,
        "config": config,
        "standing": standing(remembered, decisions),
        "tone": OUTCOMES.get(rollout.outcome or "", "" if rollout.status == "running" else "warning"),
        "steps": [step_row(step, decisions) for step in rollout.steps],
        "metrics": series_of(looks, config.need, config.margin, config.calibration_margin),
        "slices": [] if last is None else sorted((m for m in last.metrics if m.metric == "slice"), key=_worst),
        "last": last,
        "ratios": () if last is None else last.ratios,
        "decisions": list(reversed(decisions)),
        "counts": Counter(one.action for one in decisions),
        "waits": remembered.waits,
        "guards": guards_of(remembered, decisions),
        "holds": holds_of(decisions),
    }


def standing(remembered: Remembered, decisions: Sequence[Decision]) -> str:
    """In a sentence: under way and at which step, or how it ended and why."""
    rollout = remembered.rollout
    pair = f"release {rollout.challenger} in the place of {rollout.champion}"
    if rollout.outcome is not None:
        ended = {
            "promoted": f"Promoted: {pair}",
            "back": f"Sent back: release {rollout.challenger}",
            "aborted": f"Aborted: {pair}",
        }
        return f"{ended[rollout.outcome]}. {rollout.why}".strip()
    step = rollout.steps[-1].number + 1 if rollout.steps else 0
    under_way = f"step {step} of {len(remembered.config.steps)}"
    reasons = next((one.reasons for one in reversed(decisions) if one.reasons), ())
    state = "Paused" if rollout.status == "paused" else "Under way"
    return f"{state}: {pair}, {under_way}. {reasons[0] if reasons else ''}".strip()


def step_row(step: Step, decisions: Sequence[Decision]) -> dict[str, Any]:
    """From when to when, and the reason for which it ended."""
    ended = None if step.until_ns is None else _ending(step.until_ns, decisions)
    lasted = "" if step.until_ns is None else str(timedelta(seconds=round((step.until_ns - step.from_ns) / 1e9)))
    why = "under way" if step.until_ns is None else ended.reasons[0] if ended is not None and ended.reasons else ""
    return {
        "number": step.number + 1,
        "mode": step.mode,
        "share": step.share_ppm / 10_000,
        "from_ns": step.from_ns,
        "until_ns": step.until_ns,
        "lasted": lasted,
        "why": why,
        "digest": step.digest,
    }


def _ending(until_ns: int, decisions: Sequence[Decision]) -> Decision | None:
    """What ended a step: looks of the same moment did not."""
    return next((one for one in decisions if one.at_ns >= until_ns and one.action != "hold"), None)


def series_of(looks: Sequence[Judgement], need: str, margin: float, calibration_margin: float) -> list[MetricSeries]:
    """Of the metrics that are not slices, each view with its intervals and the threshold as band."""
    found = []
    for key, title in TITLES.items():
        mine = [(look, one) for look in looks for one in look.metrics if (one.metric, one.subject) == key]
        if not mine:
            continue
        allowed = (
            (None, 0.0 if need == "better" else margin) if key[0] == "log_loss" else (-calibration_margin, calibration_margin)
        )
        views = []
        for view, meaning in VIEWS.items():
            decides = view == ("other" if key[1] == "shadow" else "both")
            band = None if view == "interaction" else allowed
            points = [_point(look, one.verdict if decides else "open", getattr(one, view), band) for look, one in mine]
            if any(point.value is not None for point in points):
                views.append((view, meaning, Trend(subject=title, kind=view, unit="share", points=points)))
        found.append(MetricSeries(title=title, last=mine[-1][1], views=views))
    return found


def _point(look: Judgement, verdict: Judged, shown: Interval | None, allowed: tuple[float | None, float] | None) -> Point:
    if shown is None:
        return Point(at_ns=look.until_ns, value=None)
    low, high = (None, None) if allowed is None else (allowed[0] if allowed[0] is not None else min(shown.low, 0.0), allowed[1])
    return Point(
        at_ns=look.until_ns,
        value=shown.estimate,
        low=shown.low,
        high=shown.high,
        expected_low=low,
        expected_high=high,
        verdict=MARKED[verdict],
    )


def _worst(one: MetricVerdict) -> tuple[bool, float]:
    return one.verdict != "fail", -(one.both.low if one.both is not None else float("-inf"))
