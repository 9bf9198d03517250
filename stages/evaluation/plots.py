"""The figures of an evaluation: calibration, ranking and slices. Tables in, one PNG file each out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from contracts.figure_style import INK, MUTED
from stages.evaluation.style import colour_of, new_figure, save_png, square_percent, title_of

Curves = Mapping[str, list[dict[str, Any]]]


def plot_calibration(curves: Curves, path: Path) -> None:
    """Observed click rate over mean prediction, a dot a bin with its interval; below it the ratio of the two."""
    with new_figure(7.2, 5.4) as figure:
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1.4])
        shown = [name for name in ("lightgbm", "model") if name in curves]
        points = [entry["predicted"] for name in shown for entry in curves[name]]
        ends = [max(min(points) * 0.8, 1e-5), min(max(points) * 1.25, 1.0)]
        upper.plot(ends, ends, color=MUTED, linewidth=1, linestyle=(0, (4, 3)), label="perfectly calibrated")
        lower.axhline(1.0, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        for name in shown:
            _calibration_series(upper, lower, curves[name], name)
        for axes in (upper, lower):
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter(_percent)
            axes.xaxis.set_minor_formatter("")
        upper.set_yscale("log")
        upper.yaxis.set_major_formatter(_percent)
        upper.yaxis.set_minor_formatter("")
        upper.set(ylabel="observed click rate", title="Calibration on the test rows, bins of equal size")
        lower.set(xlabel="mean prediction of the bin", ylabel="observed / predicted", xlim=ends)
        upper.legend(loc="upper left")
        save_png(figure, path)


def _calibration_series(upper: Axes, lower: Axes, curve: list[dict[str, Any]], name: str) -> None:
    x, observed, low, high = (np.array([e[key] for e in curve]) for key in ("predicted", "observed", "low", "high"))
    x = np.maximum(x, 1e-6)
    style = {"color": colour_of(name), "fmt": "o", "markersize": 4, "elinewidth": 1.1, "capsize": 0}
    style |= {"alpha": 1.0 if name == "model" else 0.45}
    visible = observed > 0  # a logarithmic axis has no place for bins without a click; the ratio below shows them
    bars = np.stack([observed - low, high - observed])
    upper.errorbar(x[visible], observed[visible], yerr=bars[:, visible], label=title_of(name), **style)
    lower.errorbar(x, observed / x, yerr=bars / x, **style)


def _percent(value: float, _: object) -> str:
    return f"{100 * value:g}%"


def plot_ranking(roc: pl.DataFrame, gain: pl.DataFrame, aucs: Mapping[str, float | None], path: Path) -> None:
    """ROC curve and gain curve side by side, one line a prediction."""
    with new_figure(9.6, 4.6) as figure:
        left, right = figure.subplots(1, 2)
        for axes, table in ((left, roc), (right, gain)):
            square_percent(axes)
            x, names = table.columns[0], [name for name in aucs if name in table.columns]
            for name in names:
                auc = aucs[name]
                label = title_of(name) if auc is None or axes is right else f"{title_of(name)}, AUC {auc:.3f}"
                width = 2.4 if name == "model" else 1.4
                dash = (0, (2, 1.5)) if name == "oracle" else "solid"
                axes.plot(table[x], table[name], color=colour_of(name), linewidth=width, linestyle=dash, label=label)
        left.set(xlabel="share of unclicked impressions", ylabel="share of clicks", title="ROC curve")
        right.set(xlabel="share of impressions, best ranked first", ylabel="share of clicks", title="Gain")
        left.legend(loc="lower right", fontsize=8)
        right.legend(loc="lower right", fontsize=8)
        save_png(figure, path)


def plot_slices(slices: Mapping[str, list[dict[str, Any]]], total: Mapping[str, Any], path: Path) -> None:
    """AUC and observed over predicted of every slice value, with intervals and numbers of rows; dashed: all test rows."""
    rows: list[dict[str, Any] | None] = []
    labels: list[str] = []
    for name, entries in slices.items():
        rows += [None, *entries]
        labels += [name, *(f"{_shortened(entry['value'])} ({entry['rows']:,})" for entry in entries)]
    with new_figure(8.6, 1.4 + 0.21 * len(rows)) as figure:
        left, right = figure.subplots(1, 2, sharey=True)
        for axes, metric in ((left, "auc"), (right, "observed_over_predicted")):
            if total[metric]["value"] is not None:
                axes.axvline(total[metric]["value"], color=MUTED, linewidth=1, linestyle=(0, (4, 3)), label="all test rows")
            for position, entry in enumerate(rows):
                if entry is not None:
                    _slice_mark(axes, position, entry[metric], entry["clicks"])
            axes.grid(axis="y", visible=False)
        left.set(title="AUC", ylim=(len(rows) - 0.4, -0.6))
        right.axvline(1.0, color=INK, linewidth=1, label="as many clicks as predicted")
        right.set(title="Observed / predicted clicks")
        left.set_yticks(range(len(rows)), labels)
        for tick, entry in zip(left.get_yticklabels(), rows, strict=True):
            tick.set_fontweight("bold" if entry is None else "normal")
        for axes in (left, right):
            axes.tick_params(axis="y", length=0)
        handles, names = right.get_legend_handles_labels()
        figure.legend(
            [*_slice_handles(), *handles], ["model", "its interval", *names], loc="outside upper left", ncols=4, fontsize=8
        )
        save_png(figure, path)


def _slice_handles() -> list[Line2D]:
    """A dot and a bar as `_slice_mark` draws them, for the legend."""
    dot = Line2D([], [], marker="o", linestyle="", color=colour_of("model"), markersize=4.5)
    return [dot, Line2D([], [], color=colour_of("model"), linewidth=2, alpha=0.4)]


def _slice_mark(axes: Axes, position: int, estimate: Mapping[str, Any], num_clicks: int) -> None:
    if estimate["value"] is None:
        axes.text(0.02, position, f"undefined: {num_clicks} clicks", transform=axes.get_yaxis_transform(), color=MUTED,
                  va="center", fontsize=7.5)  # fmt: skip
        return
    if estimate["low"] is not None:
        axes.plot([estimate["low"], estimate["high"]], [position] * 2, color=colour_of("model"), linewidth=2, alpha=0.4)
    axes.plot([estimate["value"]], [position], "o", color=colour_of("model"), markersize=4.5)


def _shortened(text: str) -> str:
    text = "".join(letter if letter.isprintable() else " " for letter in text)  # no font has a tab
    return text if len(text) <= 28 else f"{text[:27]}…"
