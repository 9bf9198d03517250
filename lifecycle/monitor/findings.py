"""What every part of the monitor says in the same words: findings, series and tables of an area, and the report of all areas."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from contracts.dataset.declaration import Declaration
from contracts.lifecycle.feedback import FeedbackConfig
from contracts.lifecycle.monitor import MonitorConfig

AreaName = Literal["inputs", "quality", "skew", "labels", "machine", "journal"]
Verdict = Literal["ok", "watch", "warning", "page"]  # watch: seen, and beyond chance, but too small to act on
VERDICTS: tuple[Verdict, ...] = ("ok", "watch", "warning", "page")


@dataclass(frozen=True, kw_only=True)
class Looked:
    """The rows that a finding is about. `entities` is the effective number of users: (sum n)^2 / sum n^2 of their rows."""

    start_ns: int  # nanoseconds since 1970
    end_ns: int
    rows: int
    entities: float | None = None


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One figure held against what it should be. `kind` and `subject` name it: "missing" of column "user_age"."""

    area: AreaName
    subject: str  # a column, "p_click", a slice as "device=tv", a service
    kind: str  # what about it: shares, unknown, missing, new_values, head, mean, unit, offset, log_loss, calibration, late, ...
    verdict: Verdict
    effect: float  # how large, in `unit`
    unit: str  # "share of rows", "observed by predicted", "seconds"
    chance: float | None  # the largest effect that chance alone gives at `level`; None: chance has no part in it
    level: float | None  # error that this look at this figure may spend
    p_value: float | None
    window: Looked
    sentence: str  # what was seen, with its figures
    next_step: str  # what whoever reads it does now
    release: int | None = None
    interval: tuple[float, float] | None = None  # of the effect
    evidence: Mapping[str, Any] = field(default_factory=dict)  # JSON values from which the verdict can be computed again

    @property
    def key(self) -> str:
        """The same for the same thing at the next look: alerts are deduplicated by it."""
        return f"{self.area}/{self.subject}/{self.kind}"


@dataclass(frozen=True, kw_only=True)
class Point:
    at_ns: int
    value: float | None
    low: float | None = None  # interval of the value
    high: float | None = None
    expected_low: float | None = None  # where it would lie if nothing had changed
    expected_high: float | None = None
    verdict: Verdict = "ok"


@dataclass(frozen=True, kw_only=True)
class Trend:
    """A small multiple of the page: a figure over time, the oldest first."""

    subject: str
    kind: str
    unit: str
    points: Sequence[Point]


@dataclass(frozen=True, kw_only=True)
class FindingTable:
    """`rows` have a text or a number for each of `columns`."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


@dataclass(frozen=True, kw_only=True)
class Area:
    name: AreaName
    findings: Sequence[Finding] = ()
    series: Sequence[Trend] = ()
    tables: Sequence[FindingTable] = ()
    notes: Sequence[str] = ()  # what was not judged, and why


@dataclass(frozen=True, kw_only=True)
class Serving:
    """Who answered how many rows lately, newest first."""

    release: int
    arm: str | None
    rows: int
    first_ns: int
    last_ns: int


@dataclass(frozen=True, kw_only=True)
class MonitorReport:
    at_ns: int
    dataset: str
    serving: Sequence[Serving]
    areas: Sequence[Area]

    @property
    def findings(self) -> list[Finding]:
        """Of all areas, the worst first."""
        return sorted((f for area in self.areas for f in area.findings), key=lambda f: (-VERDICTS.index(f.verdict), f.key))

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Context:
    """What an area may read."""

    declaration: Declaration
    config: MonitorConfig
    journal: Path  # the journal's folder: served/, shadowed/, done/
    feedback: Path  # labels/
    store: Path  # the releases
    state: Path  # monitor.folder
    now_ns: int
    feed: FeedbackConfig | None = None  # settings of the feed of labels; None: those of params.yaml


def report_from(values: Mapping[str, Any]) -> MonitorReport:
    """The report that `as_dict` made these values of, read from JSON."""
    return MonitorReport(
        at_ns=values["at_ns"],
        dataset=values["dataset"],
        serving=[Serving(**one) for one in values["serving"]],
        areas=[_area_from(area) for area in values["areas"]],
    )


def _area_from(values: Mapping[str, Any]) -> Area:
    return Area(
        name=values["name"],
        findings=[_finding_from(one) for one in values["findings"]],
        series=[Trend(**{**one, "points": [Point(**point) for point in one["points"]]}) for one in values["series"]],
        tables=[FindingTable(**one) for one in values["tables"]],
        notes=values["notes"],
    )


def _finding_from(values: Mapping[str, Any]) -> Finding:
    interval = values["interval"]
    return Finding(
        **{**values, "window": Looked(**values["window"]), "interval": interval if interval is None else tuple(interval)}
    )
