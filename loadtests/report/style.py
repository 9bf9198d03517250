"""How the figures of the load report look, and how they get into the page: as SVG inside of it."""

import base64
import io
from collections.abc import Callable

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

INK, MUTED, GRID = "#1f2933", "#7b8794", "#e4e7eb"
CYCLE = ("#0b6bcb", "#e8830c", "#2f9e44", "#9c36b5", "#0c8599", "#c2255c", "#868e96")
OUTCOME_COLOURS = {
    "ok": "#0b6bcb",
    "refused": "#868e96",
    "overloaded": "#e8830c",
    "wrong": "#c2255c",
    "answered_malformed": "#9c36b5",
    "failed": "#d6336c",
    "unknown": "#495057",
}
QUANTILE_COLOURS = {0.5: "#0b6bcb", 0.95: "#e8830c", 0.99: "#c2255c"}
SETTINGS = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same glyphs on every machine
    "font.size": 9,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
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
