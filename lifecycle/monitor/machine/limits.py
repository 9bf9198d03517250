"""Findings about a share of something that has a limit. Chance has no part in them."""

from typing import Any

from lifecycle.monitor.findings import AreaName, Finding, Looked, Verdict


def verdict_of(value: float, limit: float, page: float | None) -> Verdict:
    """From `limit` on a warning, from `page` on a page (None: never)."""
    if page is not None and value >= page:
        return "page"
    return "warning" if value >= limit else "ok"


def half_way(share: float) -> float:
    """Between a share and all of it."""
    return (1 + share) / 2


def limited(
    subject: str, kind: str, value: float, limit: float, now_ns: int, sentence: str, next_step: str, *,
    unit: str, page: float | None = None, area: AreaName = "machine", since_ns: int | None = None, **evidence: Any,
) -> Finding:  # fmt: skip
    """A value held against its limit, at `now_ns` or over the time since `since_ns`."""
    return Finding(
        area=area,
        subject=subject,
        kind=kind,
        verdict=verdict_of(value, limit, page),
        effect=value,
        unit=unit,
        chance=None,
        level=None,
        p_value=None,
        window=Looked(start_ns=now_ns if since_ns is None else since_ns, end_ns=now_ns, rows=0),
        sentence=sentence,
        next_step=next_step,
        evidence={"value": value, "limit": limit, "page": page, **evidence},
    )
