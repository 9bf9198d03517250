"""What the template shows of a report: its findings in groups, its series drawn, its tables cut to a length that can be read."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from markupsafe import Markup

from lifecycle.monitor.findings import VERDICTS, Area, AreaName, Finding, FindingTable, MonitorReport, Trend, Verdict
from lifecycle.monitor.page.alerts import ShownAlerts
from lifecycle.monitor.page.calibration import calibration_bins, drawn_calibration
from lifecycle.monitor.page.drawing import SMALL, WIDE, drawn_series, drawn_unit
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
    """All small drawings of a column, or a larger one."""

    subject: str
    identity: str
    verdict: Verdict
    drawings: Sequence[Drawing]


@dataclass(frozen=True, kw_only=True)
class ShownTable:
    title: str
    columns: Sequence[str]
    numbers: Sequence[bool]  # of each column: are all its values
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
        "cards": {
            (section.name, card.subject): card.identity for section in reversed(sections) for card in reversed(section.cards)
        },
        "silent": [TITLES[name] for name in get_args(AreaName) if not any(one.area == name for one in found)],
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
    together: dict[tuple[str, str], list[Trend]] = {}
    for series in area.series:
        together.setdefault((series.subject, "" if small else series.kind), []).append(series)
    cards = []
    for place, ((subject, _), all_series) in enumerate(together.items()):
        identity = f"{area.name}-{place}"
        drawings = [
            Drawing(kind=one.kind, unit=drawn_unit(one), svg=drawn_series(one, f"{identity}-{number}", SMALL if small else WIDE))
            for number, one in enumerate(all_series)
        ]
        last = [series.points[-1].verdict for series in all_series if series.points]
        worst = _worst([*last, *(one.verdict for one in area.findings if small and one.subject == subject)])
        cards.append(SubjectCard(subject=subject, identity=identity, verdict=worst, drawings=drawings))
    return sorted(cards, key=lambda card: -VERDICTS.index(card.verdict))


def _worst(verdicts: Iterable[Verdict]) -> Verdict:
    return max(verdicts, key=VERDICTS.index, default="ok")


def _shown(table: FindingTable, identity: str) -> ShownTable:
    bins = calibration_bins(table)
    return ShownTable(
        title=table.title,
        columns=table.columns,
        numbers=[all(_is_number(row[place]) for row in table.rows if place < len(row)) for place in range(len(table.columns))],
        rows=table.rows[:ROWS],
        left_out=max(0, len(table.rows) - ROWS),
        curve=drawn_calibration(bins, identity) if len(bins) > 1 else None,
    )


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def evidence(found: Finding | Mapping[str, Any]) -> str:
    """What a verdict rests on as JSON, cut where it is long."""
    values = found.evidence if isinstance(found, Finding) else found
    text = json.dumps(values, indent=1, ensure_ascii=False, default=str) if values else ""
    return text if len(text) <= CHARACTERS else f"{text[:CHARACTERS]}\n… ({len(text):,} characters)"
