"""What the gate looks at, as checks: a name, what was found, whether it passes, and one sentence that says why."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

LOAD, CONTRACT, GOLDEN, PARITY = "load", "contract", "golden requests", "parity"


@dataclass(frozen=True, kw_only=True)
class GateCheck:
    """One thing that was looked at."""

    name: str
    passed: bool
    sentence: str  # without a full stop
    limit: float | None = None  # of the figure; None where there is none
    decided: bool = True  # False: the measurements cannot tell, or there are none; so it passes
    figures: dict[str, Any] = field(default_factory=dict)  # as plain values

    def as_values(self) -> dict[str, Any]:
        return asdict(self)


def verdict(checks: Sequence[GateCheck]) -> dict[str, Any]:
    """`verdict`, `passes` and `reasons` of checks that come with the gravest first."""
    failed = [check.sentence for check in checks if not check.passed]
    undecided = [check.sentence for check in checks if not check.decided]
    good = f"all {len(checks)} checks pass" + (f", {len(undecided)} of them undecided" if undecided else "")
    return {
        "verdict": "failed" if failed else "passed",
        "passes": not failed,
        "reasons": [*failed, *([] if failed else [good]), *undecided],
    }
