"""The training curves as one figure, from the TSV files that DVCLive wrote."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from matplotlib.axes import Axes

from stages.evaluation.style import COLOURS, INK, new_figure, save_png

PANELS = (("log-loss", ("train/loss", "val/log_loss")), ("AUC", ("val/auc",)))
TRAINING, KEPT = "#8fbfe8", INK  # a light shade of the model's colour; black for the weights that were kept
LOOKS = {
    "train/loss": ("training, mean of recent steps", TRAINING, "-"),
    "val/log_loss": ("validation", COLOURS["model"], "o-"),
    "val/auc": ("validation", COLOURS["model"], "o-"),
}


def read_curves(folder: Path) -> dict[str, pl.DataFrame]:
    """Curves by name, such as val/log_loss: columns step and value. Empty if nothing was logged.

    Only the names the figure shows are read: other curves may hold timings, and the card must not depend on those.
    """
    curves = {}
    for name in LOOKS:
        path = folder / f"{name}.tsv"
        if path.is_file():
            df = pl.read_csv(path, separator="\t", infer_schema_length=None)
            value = next(column for column in reversed(df.columns) if column != "step")
            curve = df.select(pl.col("step"), pl.col(value).cast(pl.Float64, strict=False).alias("value"))
            curves[name] = whole_windows(curve) if name == "train/loss" else curve
    return curves


def whole_windows(curve: pl.DataFrame) -> pl.DataFrame:
    """`curve` without the points that are means of less than half as many steps as the longest: the end of an epoch cuts a window
    off, and the mean of its last two or three batches looks like a spike. Column step rises.
    """
    steps = pl.col("step").diff().fill_null(pl.col("step"))
    return curve.filter(2 * steps >= steps.max())


def plot_training(curves: dict[str, pl.DataFrame], best_step: int | None, path: Path) -> None:
    """Log-loss and, beside it, AUC over the steps; a vertical line marks the weights that were kept."""
    panels = [(title, [name for name in names if name in curves]) for title, names in PANELS]
    panels = [(title, names) for title, names in panels if names]
    with new_figure(4.8 * len(panels), 3.4) as figure:
        axes_row = figure.subplots(1, len(panels), squeeze=False)[0]
        for axes, (title, names) in zip(axes_row, panels, strict=True):
            for name in names:
                label, colour, style = LOOKS[name]
                df = curves[name].drop_nulls()
                axes.plot(df["step"], df["value"], style, color=colour, label=label, markersize=4)
            if best_step is not None:
                axes.axvline(best_step, color=KEPT, linewidth=1.1, linestyle=(0, (4, 3)), label="weights that were kept")
            _zoom(axes, [curves[name]["value"].drop_nulls() for name in names], names)
            axes.set(title=title, xlabel="step")
        handles, labels = axes_row[0].get_legend_handles_labels()  # of the log-loss, which has all that AUC has
        figure.legend(handles, labels, loc="outside upper left", ncols=3, fontsize=8)
        save_png(figure, path)


def _zoom(axes: Axes, values: list[pl.Series], names: list[str]) -> None:
    """Leave the steep first steps of the training loss out of the vertical range: the rest is what one wants to see."""
    later = [
        series.tail(-(len(series) // 5)) if name == "train/loss" and len(values) > 1 and len(series) >= 5 else series
        for name, series in zip(names, values, strict=True)
    ]
    shown = pl.concat(later)
    low, high = float(shown.min()), float(shown.max())
    margin = 0.08 * (high - low) or 0.01
    axes.set_ylim(low - margin, high + margin)


def best_step(curves: dict[str, pl.DataFrame]) -> int | None:
    """Step of the lowest validation log-loss, the first if there are several."""
    df = curves.get("val/log_loss", pl.DataFrame({"step": [], "value": []})).drop_nulls()
    return None if df.is_empty() else int(df["step"][int(df["value"].arg_min())])
