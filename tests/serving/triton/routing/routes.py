"""Routes for tests: release 1 is the champion, release 2 the challenger."""

import time
from dataclasses import replace
from decimal import Decimal
from typing import Any

from contracts.serving.route import Limits, Route, Trial

LIMITS = Limits(
    timeout_ms=500, max_p99_ms=400, max_error_share=Decimal("0.05"), max_timeout_share=Decimal("0.05"),
    max_mean_ratio=Decimal("1.5"), min_distinct_ratio=Decimal("0.2"), max_slowdown=Decimal(50),
)  # fmt: skip


def trial_route(share: float = 50, shadow: float = 0, salt: str = "0123abcd", valid_s: float = 3600, **limits: Any) -> Route:
    """`share` and `shadow` in percent."""
    trial = Trial(
        challenger=2, share_ppm=round(share * 10_000), shadow_ppm=round(shadow * 10_000), salt=salt,
        valid_until_ms=int((time.time() + valid_s) * 1000), limits=replace(LIMITS, **limits),
    )  # fmt: skip
    return Route(champion=1, mode="canary" if share else "shadow", trial=trial)


def limits(**changes: Any) -> Limits:
    return replace(LIMITS, **changes)
