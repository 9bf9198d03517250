"""A soak as a picture: latency and memory over time."""

from itertools import pairwise
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from loadtests.limits.soak import Soaked
from loadtests.verdicts.samples import latencies_ms

POINTS = 120  # of time on the axis
STYLE = {"svg.hashsalt": "soak", "font.size": 9}


def plot_soak(soaked: Soaked, path: Path) -> None:
    """Write p50 and p99 by time, and resident memory by kind of process, as SVG."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8, 5), layout="constrained")
        above, below = figure.subplots(2, 1, sharex=True)
        minutes, p50, p99 = latency_over_time(soaked)
        above.plot(minutes, p99, label="p99", color="tab:red", linewidth=1)
        above.plot(minutes, p50, label="p50", color="tab:blue", linewidth=1)
        above.set(ylabel="latency, ms", ylim=(0, None))
        for name in sorted({name for _, kinds in soaked.memory for name in kinds}):
            points = [((at - soaked.started_s) / 60, kinds[name]) for at, kinds in soaked.memory if name in kinds]
            below.plot(*zip(*points, strict=True), label=name, linewidth=1)
        below.set(ylabel="resident memory, MiB", xlabel="minutes", ylim=(0, None))
        for axes in (above, below):
            axes.grid(alpha=0.3)
            axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, format="svg", metadata={"Date": None})


def latency_over_time(soaked: Soaked) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Minutes since the start, p50 and p99 in ms of the right answers, in POINTS equal parts of the time; NaN where none is."""
    edges = np.linspace(soaked.started_s, soaked.ended_s, POINTS + 1)
    places = np.searchsorted(soaked.samples["intended_s"], edges)
    p50, p99 = np.full(POINTS, np.nan), np.full(POINTS, np.nan)
    for i, (begin, end) in enumerate(pairwise(places)):
        latencies = latencies_ms(soaked.samples[begin:end], "ok")
        if len(latencies):
            p50[i], p99[i] = np.quantile(latencies, (0.5, 0.99))
    middle = (edges[:-1] + edges[1:]) / 2
    return (middle - soaked.started_s) / 60, p50, p99
