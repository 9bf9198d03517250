"""What the statistics say at one look, and what they rest on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Judged = Literal["pass", "fail", "open"]
Verdict = Literal["promote", "hold", "back"]


@dataclass(frozen=True, kw_only=True)
class Interval:
    """Of a difference, challenger minus champion, relative to the champion's figure; it holds at all looks together."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class MetricVerdict:
    """`log_loss`, `calibration`, or `slice` with its column and value as subject."""

    metric: str
    subject: str = ""
    verdict: Judged
    both: Interval | None  # mean of own and other; None: too little of either
    own: Interval | None  # on the traffic that the challenger answered
    other: Interval | None  # on the champion's
    interaction: Interval | None  # own minus other: what being chosen does to a model
    rows: int
    units: int  # routing keys times days
    clicks: int
    reason: str  # in words, with the figures


@dataclass(frozen=True, kw_only=True)
class RatioVerdict:
    """Do the arms have the shares of the routing keys that the route says."""

    step: int
    expected: float  # the challenger's share
    champion: int  # distinct keys
    challenger: int
    e_value: float  # against the route's share; 1 / alpha_ratio or more: they do not
    is_mismatch: bool


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """At a look: after `rows` labelled rows. `reasons`: of the verdict, the gravest first."""

    rows: int
    until_ns: int  # answer time of the last of them
    verdict: Verdict
    metrics: tuple[MetricVerdict, ...]
    ratios: tuple[RatioVerdict, ...]
    reasons: tuple[str, ...]
    sums: Mapping[str, float] = field(default_factory=dict)  # from which the verdict can be recomputed without the rows
