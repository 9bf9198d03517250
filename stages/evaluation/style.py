"""How every figure looks: colours, names and fonts; and how it becomes a PNG whose bytes depend on the figure only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from contracts.figure_style import BLUE, GREEN, GREY, INK, MUTED, ORANGE, PURPLE, RC

COLOURS = {
    "model": BLUE,
    "lightgbm": GREEN,
    "logistic": ORANGE,
    "creative_rate": PURPLE,
    "constant": GREY,
    "oracle": INK,
}
TITLES = {
    "model": "Model",
    "lightgbm": "LightGBM",
    "logistic": "Logistic regression",
    "creative_rate": "Smoothed rate",
    "constant": "Constant",
    "oracle": "Oracle (true probability)",
}
UNITS = {"row": "rows", "entity": "users", "creative": "creatives"}  # what evaluate.resample_by draws
SETTINGS = RC | {"lines.linewidth": 1.8}
DPI = 160


def title_of(name: str) -> str:
    return TITLES.get(name, name)


def colour_of(name: str) -> str:
    return COLOURS.get(name, MUTED)


@contextmanager
def new_figure(width_in: float, height_in: float) -> Iterator[Figure]:
    """A figure in the project's style; matplotlib's global settings are as before when the block ends."""
    with matplotlib.rc_context(rc={**matplotlib.rcParamsDefault, **SETTINGS, "backend": "agg"}):
        figure = Figure(figsize=(width_in, height_in), dpi=DPI, layout="constrained")
        FigureCanvasAgg(figure)
        yield figure


def save_png(figure: Figure, path: Path) -> None:
    """Write the figure without date and software version."""
    figure.savefig(path, format="png", metadata={"Software": None})


def square_percent(axes: Axes) -> None:
    """Both axes from 0 to 1, written in percent, with the diagonal."""
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.set_aspect("equal")
