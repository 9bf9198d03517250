"""Writes `reports/monitor.html` from a report and the alerts beside it: one file, no script, no other host."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from contracts.files import write_whole
from lifecycle.monitor.findings import MonitorReport
from lifecycle.monitor.page import wording
from lifecycle.monitor.page.alerts import read_alerts
from lifecycle.monitor.page.content import evidence, page_content

TEMPLATE, STYLE = "monitor.html.j2", "monitor.css"
FILTERS = ("amount", "chance", "count", "counted", "error", "interval", "moment", "period", "plain_text", "sentence", "window")


def write_page(report: MonitorReport, path: Path, alerts: Path | None = None) -> None:
    """Replace `path` with the page. `alerts`: alerts.jsonl of the monitor's folder; None leaves alerts out."""
    content = page_content(report, None if alerts is None else read_alerts(alerts))
    write_whole(path, rendered(content).encode("utf-8", "backslashreplace"))


def rendered(content: dict[str, Any]) -> str:
    """The page. A value that the template needs and `content` lacks is an error, never an empty place."""
    folder = Path(__file__).parent
    env = Environment(
        loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    env.filters |= {name: getattr(wording, name) for name in FILTERS} | {"cell": cell, "evidence": evidence}
    style = Markup((folder / STYLE).read_text(encoding="utf-8"))
    return env.get_template(TEMPLATE).render(content, style=style, words=wording.WORDS, meanings=wording.MEANINGS)


def cell(value: Any) -> str:
    """Of a table: numbers rounded, texts as they are."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return wording.number(value)
    if isinstance(value, int):
        return wording.count(value)
    return wording.DASH if value is None else wording.plain_text(value)
