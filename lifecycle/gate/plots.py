"""The figure of the gate: by how much each figure has grown, pair by pair, with its interval and its limit."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from contracts.figure_style import BLUE, GREY, INK, ORANGE, RED
from loadtests.report.style import drawn

COLOURS = {"within": BLUE, "open": ORANGE, "beyond": RED}
WIDTH_IN = 5.2  # of which letters can be read on a screen of 400 pixels
MOST = 0.6  # growth, beyond which the axis does not go


def growths_svg(checks: Sequence[Mapping[str, Any]]) -> str:
    """A data: URI. `checks` have figures growth, low, high, rounds, state, ratios, and a limit."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.axvline(0, color=INK, linewidth=1)
        for place, check in enumerate(checks):
            one, colour = check["figures"], COLOURS[check["figures"]["state"]]
            pairs = [100 * (ratio - 1) for ratio in one["ratios"]]
            axes.plot(pairs, [place + 0.26] * len(pairs), "|", color=GREY, markersize=5, alpha=max(0.08, 1 / len(pairs)))
            rounds = [100 * value for value in one["rounds"]]
            axes.plot(rounds, [place] * len(rounds), "o", color=GREY, markersize=4, markerfacecolor="none")
            if one["high"] is not None:
                axes.plot([100 * one["low"], 100 * one["high"]], [place, place], color=colour, linewidth=3, alpha=0.6)
            axes.plot([100 * one["growth"]], [place], "o", color=colour, markersize=6)
            axes.plot([100 * check["limit"]] * 2, [place - 0.35, place + 0.35], color=INK, linewidth=1, linestyle=(0, (3, 2)))
        axes.set_yticks(range(len(checks)), [check["name"].replace(", ", "\n") for check in checks])
        axes.set(ylim=(len(checks) - 0.4, -0.6), xlabel="more than the champion's, %", xlim=_bounds(checks))
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="y", visible=False)
        shown = {"within the limit": BLUE, "cannot tell": ORANGE, "beyond it": RED}
        dots = [Line2D([], [], marker="o", linestyle="", color=colour, markersize=5) for colour in shown.values()]
        marks = {
            "a round": Line2D([], [], marker="o", linestyle="", color=GREY, markersize=4, markerfacecolor="none"),
            "a pair": Line2D([], [], marker="|", linestyle="", color=GREY, markersize=5),
            "limit": Line2D([], [], color=INK, linewidth=1, linestyle=(0, (3, 2))),
        }
        figure.legend([*dots, *marks.values()], [*shown, *marks], loc="outside upper left", ncols=3, fontsize=8)

    return drawn(WIDTH_IN, 1.3 + 0.42 * len(checks), draw)


def _bounds(checks: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """Percent: what holds all intervals and limits, and not every far pair."""
    lows = [check["figures"]["low"] if check["figures"]["high"] is not None else check["figures"]["growth"] for check in checks]
    highs = [check["figures"]["high"] or check["figures"]["growth"] for check in checks]
    least, most = min([*lows, -0.1]), max([*highs, *(check["limit"] for check in checks)])
    return 100 * max(-1.0, least - 0.05), 100 * min(MOST, math.ceil(20 * most) / 20 + 0.05)
