"""What the candidate's training took, against the champion's. There is one training of each, so the limits are wide."""

from lifecycle.gate.checks import GateCheck
from lifecycle.gate.models import TIMING, GatedModel

FIGURES = (
    ("training time", "train_s", "train_time", "s"),
    ("training memory", "peak_memory_mib", "train_memory", "MiB"),
)


def training_checks(candidate: GatedModel, champion: GatedModel, limits: dict[str, float]) -> list[GateCheck]:
    return [_check(candidate, champion, limits[key], *one[:2], key, one[3]) for one in FIGURES for key in (one[2],)]


def _check(candidate: GatedModel, champion: GatedModel, limit: float, name: str, figure: str, key: str, unit: str) -> GateCheck:
    now, before = ((model.training or {}).get(figure) for model in (candidate, champion))
    figures = {"candidate": now, "champion": before, "unit": unit}
    if not now or not before:
        lacking = "candidate" if not now else "champion"
        sentence = f"{name}: not known of the {lacking} (its {TIMING} does not say it, or is of another training)"
        return GateCheck(name=name, passed=True, decided=False, sentence=sentence, limit=limit, figures=figures)
    growth = now / before - 1
    passed = growth <= limit
    sentence = f"{name}: {now:,.0f} {unit}, the champion's took {before:,.0f} {unit} ({growth:+.0%})"
    if not passed:
        sentence += f"; {limit:+.0%} is allowed (gate.limits.{key})"
    return GateCheck(name=name, passed=passed, sentence=sentence, limit=limit, figures=figures | {"growth": growth})
