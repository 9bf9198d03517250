"""What the template shows of a report: its findings in groups, its series drawn, its tables cut to a length that can be read."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from markupsafe import Markup

from lifecycle.monitor.findings import VERDICTS, Area, AreaName, Finding, FindingTable, MonitorReport, Trend, Verdict
from lifecycle.monitor.page.alerts import ShownAlerts
from lifecycle.monitor.page.calibration import calibration_bins, drawn_calibration
from lifecycle.monitor.page.drawing import SMALL, WIDE, drawn_series
from lifecycle.monitor.page.headline import headline, looked_at

TITLES: Mapping[AreaName, str] = {
    "inputs": "Columns, images and predictions",
    "quality": "Quality on final labels",
    "skew": "What was served against the month's file",
    "labels": "Labels",
    "machine": "Machine and versions",
    "journal": "Journal",
}
ROWS = 200  # of a table that are shown
CHARACTERS = 3_000  # of a finding's evidence that are shown


@dataclass(frozen=True, kw_only=True)
class Drawing:
    kind: str
    unit: str
    svg: Markup


@dataclass(frozen=True, kw_only=True)
class SubjectCard:
    """All drawings of one column, slice or service."""

    subject: str
    identity: str
    verdict: Verdict
    drawings: Sequence[Drawing]


@dataclass(frozen=True, kw_only=True)
class ShownTable:
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    left_out: int
    curve: Markup | None  # where it is a calibration curve


@dataclass(frozen=True, kw_only=True)
class AreaSection:
    name: AreaName
    title: str
    small: bool
    counts: Mapping[Verdict, int]
    cards: Sequence[SubjectCard]
    tables: Sequence[ShownTable]
    notes: Sequence[str]


def page_content(report: MonitorReport, alerts: ShownAlerts | None) -> dict[str, Any]:
    """The template's names. `alerts`: None where nobody asked for them."""
    sections = [_section(area) for area in sorted(report.areas, key=lambda area: get_args(AreaName).index(area.name))]
    found = report.findings
    return {
        "report": report,
        "headline": headline(report),
        "looked_at": looked_at(report),
        "seen": [one for one in found if one.verdict != "ok"],
        "as_expected": [one for one in found if one.verdict == "ok"],
        "alerts": alerts,
        "sections": sections,
        "served_rows": sum(one.rows for one in report.serving),
        "cards": {(section.name, card.subject): card.identity for section in sections for card in section.cards},
        "titles": TITLES,
        "verdicts": VERDICTS,
    }


def _section(area: Area) -> AreaSection:
    small = area.name == "inputs"
    return AreaSection(
        name=area.name,
        title=TITLES[area.name],
        small=small,
        counts={verdict: sum(one.verdict == verdict for one in area.findings) for verdict in VERDICTS},
        cards=_cards(area, small),
        tables=[_shown(table, f"{area.name}-table-{place}") for place, table in enumerate(area.tables)],
        notes=area.notes,
    )


def _cards(area: Area, small: bool) -> list[SubjectCard]:
    """The subjects with something wrong first, then in the order in which they came."""
    together: dict[str, list[Trend]] = {}
    for series in area.series:
        together.setdefault(series.subject, []).append(series)
    cards = []
    for place, (subject, all_series) in enumerate(together.items()):
        identity = f"{area.name}-{place}"
        drawings = [
            Drawing(kind=one.kind, unit=one.unit, svg=drawn_series(one, f"{identity}-{number}", SMALL if small else WIDE))
            for number, one in enumerate(all_series)
        ]
        worst = _worst(one.verdict for one in area.findings if one.subject == subject)
        cards.append(SubjectCard(subject=subject, identity=identity, verdict=worst, drawings=drawings))
    return sorted(cards, key=lambda card: -VERDICTS.index(card.verdict))


def _worst(verdicts: Iterable[Verdict]) -> Verdict:
    return max(verdicts, key=VERDICTS.index, default="ok")


def _shown(table: FindingTable, identity: str) -> ShownTable:
    bins = calibration_bins(table)
    return ShownTable(
        title=table.title,
        columns=table.columns,
        rows=table.rows[:ROWS],
        left_out=max(0, len(table.rows) - ROWS),
        curve=drawn_calibration(bins, identity) if len(bins) > 1 else None,
    )


def evidence(found: Finding | Mapping[str, Any]) -> str:
    """What a verdict rests on as JSON, cut where it is long."""
    values = found.evidence if isinstance(found, Finding) else found
    text = json.dumps(values, indent=1, ensure_ascii=False, default=str) if values else ""
    return text if len(text) <= CHARACTERS else f"{text[:CHARACTERS]}\n… ({len(text):,} characters)"
