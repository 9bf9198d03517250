"""The page of a comparison: the verdict and why in its first line, then what it rests on. One self-contained HTML file."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from stages.comparing.plots import columns_png, slices_png

TEMPLATE = "comparison.html.j2"
WORDS = {
    "better": "Better",
    "not_worse": "Not worse",
    "worse": "Worse",
    "suspicious": "Suspicious",
    "first": "First model",
    "same": "Same model",
    "not_comparable": "Not comparable",
}


def page(found: Mapping[str, Any], data: str) -> str:
    """The HTML of what `compare` found about a candidate for data set `data`."""
    loader = FileSystemLoader(Path(__file__).parent)
    env = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    env.filters |= {"count": lambda number: f"{number:,}", "relative": relative, "share": share, "fixed": fixed}
    has_rows = "overall" in found
    figures = {}
    if has_rows:
        log_loss = found["overall"]["champion"]["log_loss"]
        figures = {
            "slices": _uri(slices_png(found["overall"], found["slices"], found["settings"]["margin"])),
            "columns": _uri(columns_png(found["columns"], log_loss)),
        }
    return env.get_template(TEMPLATE).render(
        found=found, data=data, word=WORDS[found["verdict"]], has_rows=has_rows, figures=figures
    )


def relative(estimate: Mapping[str, Any] | None) -> Markup:
    """A relative difference in percent over its interval; where one is missing, a dash whose tooltip is the reason."""
    if estimate is None or estimate["value"] is None:
        return Markup('<span class="none" title="{}">–</span>').format("" if estimate is None else estimate.get("reason", ""))
    value = f"{100 * estimate['value']:+.2f} %"
    if estimate["low"] is None:
        return Markup('{} <span class="none" title="{}">no interval</span>').format(value, estimate.get("reason", ""))
    interval = f"[{100 * estimate['low']:+.2f}, {100 * estimate['high']:+.2f}]"
    return Markup('{} <span class="interval">{}</span>').format(value, interval)


def share(number: float | None, digits: int = 1) -> str:
    return "–" if number is None else f"{100 * number:.{digits}f} %"


def fixed(number: float | None, digits: int = 3, signed: bool = False) -> str:
    return "–" if number is None else f"{number:{'+' if signed else ''}.{digits}f}"


def _uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"
