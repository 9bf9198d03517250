"""What the candidate's training took, against the champion's. There is one training of each, so the limits are wide."""

from collections.abc import Mapping
from typing import Any

from contracts.lifecycle.champion import TIMING
from lifecycle.gate.checks import GateCheck
from lifecycle.gate.models import GatedModel

FIGURES = (  # words, name in TIMING, key of the limit, unit
    ("training time", "train_s", "train_time", "s"),
    ("training memory", "peak_memory_mib", "train_memory", "MiB"),
)


def training_checks(candidate: GatedModel, champion: GatedModel, limits: Mapping[str, float]) -> list[GateCheck]:
    """One a figure; what is not known of both passes and is said."""
    checks = []
    for words, name, key, unit in FIGURES:
        now, before = ((model.training or {}).get(name) for model in (candidate, champion))
        figures: dict[str, Any] = {"candidate": now, "champion": before, "unit": unit}
        if now and before:
            growth = now / before - 1
            sentence = f"{words}: {now:,.0f} {unit}, the champion's took {before:,.0f} {unit} ({growth:+.0%})"
            passed = growth <= limits[key]
            sentence += "" if passed else f"; {limits[key]:+.0%} is allowed (gate.limits.{key})"
            figures["growth"] = growth
        else:
            passed = True
            lacking = "candidate" if not now else "champion"
            sentence = f"{words}: not known of the {lacking} (its {TIMING} does not say it, or is of another training)"
        checks.append(
            GateCheck(
                name=words,
                passed=passed,
                decided="growth" in figures,
                sentence=sentence,
                limit=limits[key],
                figures=figures,
            )
        )
    return checks
