"""The figures of a comparison: slices with their intervals, and what columns are worth to each model. One PNG each, as bytes."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import Any

from matplotlib.lines import Line2D

from contracts.figure_style import BLUE, GREY, INK, MUTED, RED
from stages.evaluation.style import new_figure, save_png

MOST_COLUMNS = 30


def slices_png(overall: Mapping[str, Any], slices: Mapping[str, Any], margin: float) -> bytes:
    """The relative difference of the log-loss for all rows and every slice value, with intervals; right of the line is worse."""
    rows: list[tuple[str, Mapping[str, Any] | None]] = [(f"all test rows ({overall['rows']:,})", overall["relative"])]
    for name, one in slices.items():
        rows.append((f"{name}{', watched' if one['watched'] else ''}", None))
        rows += [(f"{_short(value['value'])} ({value['rows']:,})", value["relative"]) for value in one["values"]]
    with new_figure(7.6, 1.2 + 0.21 * len(rows)) as figure:
        axes = figure.subplots()
        axes.axvline(0, color=INK, linewidth=1)
        axes.axvline(100 * margin, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        for place, (_, estimate) in enumerate(rows):
            if estimate is None or estimate["value"] is None:
                continue
            low, high = estimate["low"], estimate["high"]
            colour = GREY if low is None or low <= 0 <= high else RED if low > 0 else BLUE
            if low is not None:
                axes.plot([100 * low, 100 * high], [place, place], color=colour, linewidth=2, alpha=0.5)
            axes.plot([100 * estimate["value"]], [place], "o", color=colour, markersize=4.5)
        axes.set_yticks(range(len(rows)), [text for text, _ in rows])
        for tick, (_, estimate) in zip(axes.get_yticklabels(), rows, strict=True):
            tick.set_fontweight("bold" if estimate is None else "normal")
        axes.set(ylim=(len(rows) - 0.4, -0.6), xlabel="log-loss of the candidate over the champion's, %; below 0 is better")
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="y", visible=False)
        marks = {BLUE: "better", RED: "worse", GREY: "cannot be told apart"}
        dots = [Line2D([], [], marker="o", linestyle="", color=colour, markersize=4.5) for colour in marks]
        line = Line2D([], [], color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        figure.legend([*dots, line], [*marks.values(), "margin"], loc="outside upper left", ncols=4, fontsize=8)
        return _png(figure)


def columns_png(columns: list[Mapping[str, Any]], log_loss: float) -> bytes:
    """What shuffling each column costs champion and candidate, in percent of the log-loss; the most costly first."""
    rises = {one["name"]: (one["champion"]["rise"], one["candidate"]["rise"]) for one in columns}
    names = sorted(rises, key=lambda name: -max(rises[name]))[:MOST_COLUMNS]
    with new_figure(7.6, 1.2 + 0.24 * len(names)) as figure:
        axes = figure.subplots()
        axes.axvline(0, color=INK, linewidth=1)
        for place, name in enumerate(names):
            before, now = (100 * rise / log_loss for rise in rises[name])
            axes.plot([before, now], [place, place], color=MUTED, linewidth=1.2)
            axes.plot([before], [place], "o", color=GREY, markersize=6)
            axes.plot([now], [place], "o", color=BLUE, markersize=4.5)
        axes.set_yticks(range(len(names)), [_short(name) for name in names])
        axes.set(ylim=(len(names) - 0.4, -0.6), xlabel="rise of the log-loss when the column is shuffled, %")
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="y", visible=False)
        dots = [Line2D([], [], marker="o", linestyle="", color=colour, markersize=5) for colour in (GREY, BLUE)]
        figure.legend(dots, ["champion", "candidate"], loc="outside upper left", ncols=2, fontsize=8)
        return _png(figure)


def _png(figure: Any) -> bytes:
    buffer = BytesIO()
    save_png(figure, buffer)
    return buffer.getvalue()


def _short(text: str) -> str:
    text = "".join(letter if letter.isprintable() else " " for letter in text)  # no font has a tab
    return text if len(text) <= 32 else f"{text[:31]}…"
