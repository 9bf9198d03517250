"""The first line of the page: what is wrong, the worst first; or that nothing is, and how much was looked at."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from lifecycle.monitor.findings import AreaName, Finding, MonitorReport, Verdict
from lifecycle.monitor.page.wording import counted, listed, period, plain_text, sentence

NAMED = 3  # findings that are named with their sentence


@dataclass(frozen=True, kw_only=True)
class MonitorHeadline:
    verdict: Verdict | None  # the worst; None: nothing was judged
    words: str
    rest: str = ""
    named: tuple[str, ...] = ()  # the worst findings, a sentence or two each


def headline(report: MonitorReport) -> MonitorHeadline:
    found = report.findings
    if not found:
        return MonitorHeadline(verdict=None, words="Nothing was judged.", rest=_served(report))
    acted_on = [one for one in found if one.verdict in ("page", "warning")]
    if acted_on:
        more = len(acted_on) - NAMED
        rest = f"The worst {NAMED} are here, {more} more below." if more > 0 else ""
        return MonitorHeadline(verdict=acted_on[0].verdict, words=_numbers(acted_on), rest=rest, named=_worst(acted_on))
    watched = sum(one.verdict == "watch" for one in found)
    words = "Nothing was found wrong" + (f"; {counted(watched, 'small change')} to watch." if watched else ".")
    return MonitorHeadline(verdict="watch" if watched else "ok", words=words, rest=looked_at(report))


def _numbers(found: Sequence[Finding]) -> str:
    now, today = (sum(one.verdict == verdict for one in found) for verdict in ("page", "warning"))
    parts = [f"{counted(now, 'finding needs', 'findings need')} somebody now"] if now else []
    return f"{listed([*parts, *([counted(today, 'warning')] if today else [])])}."


def _worst(found: Sequence[Finding]) -> tuple[str, ...]:
    return tuple(f"{plain_text(one.subject)}, {plain_text(one.kind)}: {sentence(one.sentence)}" for one in found[:NAMED])


def looked_at(report: MonitorReport) -> str:
    """How much was judged, and what was not."""
    found = report.findings
    if not found:
        return "No figure was judged."
    start, end = min(one.window.start_ns for one in found), max(one.window.end_ns for one in found)
    areas = [area.name for area in report.areas if area.findings]
    parts = [f"Looked at {counted(len(found), 'figure')} of {listed(areas)}, {period(start, end)} UTC. {_served(report)}"]
    if silent := [name for name in get_args(AreaName) if name not in areas]:
        parts.append(f"Nothing was judged of {listed(silent)}.")
    if notes := sum(len(area.notes) for area in report.areas):
        parts.append(f"{counted(notes, 'note says', 'notes say')} what else was not judged.")
    return " ".join(parts)


def _served(report: MonitorReport) -> str:
    rows = sum(one.rows for one in report.serving)
    return f"{counted(rows, 'row')} served." if report.serving else "Nothing was served."
