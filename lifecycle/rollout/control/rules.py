"""What a look makes of what it finds: the next action, a function of values (docs/change/rollout.md has it as a table)."""

from dataclasses import dataclass

from contracts.lifecycle.rollout import RolloutConfig, StepConfig
from lifecycle.rollout.control.control import LookEvidence
from lifecycle.rollout.control.files import Action
from lifecycle.rollout.judgement import Judgement
from lifecycle.rollout.rollout import Rollout

DAY_NS = 86_400_000_000_000


@dataclass(frozen=True, kw_only=True)
class NextAction:
    """What is to be done, and why, the gravest reason first."""

    action: Action
    step: int
    reasons: tuple[str, ...]


def wanted(rollout: Rollout, config: RolloutConfig, seen: LookEvidence, now_ns: int) -> NextAction:
    """Of a rollout that is running: `step`, `promote`, `back`, or `hold` if none of them."""
    number = number_of(rollout)
    judgement = seen.judgements[-1] if seen.judgements else None
    if (against := refused_because(judgement)) is not None:
        return NextAction(action="back", step=number, reasons=against)
    missing, waits = unmet(rollout, config, seen, now_ns), tuple(wait.sentence for wait in seen.waits)
    is_last, passes = number + 1 == len(config.steps), judgement is not None and judgement.verdict == "promote"
    if not missing and not waits and (passes or not is_last):
        if not is_last:
            began = f"step {number + 1} of {len(config.steps)} is over: {progress_of(rollout, config, seen, now_ns)}"
            return NextAction(action="step", step=number + 1, reasons=(began, *_reasons_of(judgement)))
        return NextAction(action="promote", step=number, reasons=_reasons_of(judgement))
    if days_in_force(rollout, now_ns) >= config.longest_days:
        outcome = f"after {config.longest_days:g} days it is not shown to be {config.need.replace('_', ' ')}: the champion stays"
        return NextAction(action="back", step=number, reasons=(outcome, *waits, *_reasons_of(judgement)))
    return NextAction(action="hold", step=number, reasons=(*waits, *_reasons_of(judgement), *missing))


def refused_because(judgement: Judgement | None) -> tuple[str, ...] | None:
    """Why the challenger has to go; None if nothing says so."""
    if judgement is None:
        return None
    mismatches = tuple(
        f"step {ratio.step + 1}: {ratio.challenger:,} of {ratio.challenger + ratio.champion:,} users are the challenger's, the "
        f"route gives it {ratio.expected:.2%} (e-value {ratio.e_value:,.0f})"
        for ratio in judgement.ratios
        if ratio.is_mismatch
    )
    if judgement.verdict == "back":
        return judgement.reasons or mismatches or ("the evidence is against it",)
    return mismatches or None


def unmet(rollout: Rollout, config: RolloutConfig, seen: LookEvidence, now_ns: int) -> tuple[str, ...]:
    """What the step under way still needs before it can end."""
    step = config.steps[number_of(rollout)]
    days = days_in_force(rollout, now_ns, number_of(rollout))
    found = []
    if days < step.days:
        found.append(f"{days:.1f} of {step.days:g} days of {in_words(step)}")
    if seen.labelled < step.rows:
        found.append(f"{seen.labelled:,} of {step.rows:,} labelled rows of {in_words(step)}")
    return tuple(found)


def progress_of(rollout: Rollout, config: RolloutConfig, seen: LookEvidence, now_ns: int) -> str:
    """What the step under way has had."""
    number = number_of(rollout)
    return (
        f"{days_in_force(rollout, now_ns, number):.1f} days of {in_words(config.steps[number])}, {seen.labelled:,} labelled rows"
    )


def days_in_force(rollout: Rollout, now_ns: int, number: int | None = None) -> float:
    """Of the step `number`, or all steps; pauses are none of it."""
    steps = [step for step in rollout.steps if number is None or step.number == number]
    return sum((now_ns if step.until_ns is None else step.until_ns) - step.from_ns for step in steps) / DAY_NS


def number_of(rollout: Rollout) -> int:
    """Of the step that is in force, or was before a pause."""
    return rollout.steps[-1].number if rollout.steps else 0


def in_words(step: StepConfig) -> str:
    return "shadow" if step.mode == "shadow" else f"canary {step.share:g} %"


def _reasons_of(judgement: Judgement | None) -> tuple[str, ...]:
    return () if judgement is None else judgement.reasons
