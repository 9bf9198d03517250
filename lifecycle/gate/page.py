"""The page of the gate: the verdict and why in its first line, then what it rests on. One self-contained HTML file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from lifecycle.gate.plots import growths_svg

TEMPLATE = "gate.html.j2"


def page(found: Mapping[str, Any], data: str) -> str:
    """The HTML of what the gate found about a candidate for data set `data`."""
    loader = FileSystemLoader(Path(__file__).parent)
    env = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    env.filters |= {"amount": amount, "state": state}
    paired = [check for check in found["checks"] if "ratios" in check["figures"]]
    plot = growths_svg(paired) if paired else None
    return env.get_template(TEMPLATE).render(found=found, data=data, plot=plot)


def amount(value: float | None, unit: str) -> str:
    """The value with its unit; seconds below a tenth in ms."""
    if value is None:
        return "–"
    if unit == "s" and value < 0.1:
        return f"{value * 1e3:.3g} ms"
    return f"{value:,.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"


def state(check: Mapping[str, Any]) -> str:
    if not check["passed"]:
        return "fails"
    return "passes" if check["decided"] else "cannot tell, passes"
