"""How the figures of the load report look, and how they get into the page: as SVG inside of it."""

import base64
import io
from collections.abc import Callable

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from contracts.figure_style import BLUE, GREEN, GREY, ORANGE, PURPLE, RC, RED

CYCLE = (BLUE, ORANGE, GREEN, PURPLE, "#0c8599", RED, GREY)
OUTCOME_COLOURS = {
    "ok": BLUE,
    "refused": GREY,
    "overloaded": ORANGE,
    "wrong": RED,
    "answered_malformed": PURPLE,
    "failed": "#d6336c",
    "unknown": "#495057",
}
QUANTILE_COLOURS = {0.5: BLUE, 0.95: ORANGE, 0.99: RED}
SETTINGS = RC | {
    "legend.fontsize": 8,
    "lines.linewidth": 1.5,
    "svg.fonttype": "path",
    "svg.hashsalt": "load report",  # the same figure, the same bytes
}


def drawn(width_in: float, height_in: float, draw: Callable[[Figure], None]) -> str:
    """What `draw` puts on a figure of that size, as a data: URI."""
    with matplotlib.rc_context(SETTINGS):
        figure = Figure(figsize=(width_in, height_in), layout="constrained")
        FigureCanvasSVG(figure)
        draw(figure)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return f"data:image/svg+xml;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def plain_number(value: float) -> str:
    """0.05, 2, 1,500: as many digits as the number needs."""
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:g}"


PLAIN = FuncFormatter(lambda value, _: plain_number(value))
