"""The figures of the load report, each as a data: URI of an SVG."""

import math
from collections.abc import Mapping

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from contracts.figure_style import GREEN, GRID, INK, MUTED, ORANGE, RED
from loadtests.observation.processes import CLIENT, SERVER
from loadtests.report.measured import OverTime, histogram, percentile_curve
from loadtests.report.style import CYCLE, OUTCOME_COLOURS, PLAIN, QUANTILE_COLOURS, drawn, plain_number
from loadtests.report.wording import percentile

WIDTH_IN = 9.2
LOG_FROM = 30  # a linear axis shows nothing of values that are so many times smaller than the largest
MOST_NAMES = 10
SERVER_COLOUR = GREEN
GROUP_LOOKS = {  # the same two wherever server and load generator are drawn side by side
    SERVER: {"color": SERVER_COLOUR, "label": "server (Triton)"},
    CLIENT: {"color": ORANGE, "label": "client (load generator)", "linestyle": (0, (4, 1.5))},
}
OTHER_COLOURS = tuple(colour for colour in CYCLE if colour not in (SERVER_COLOUR, ORANGE))  # the models' processes
NINES = (0, 1, 2, 3, 4, 5, 6)
Stages = list[tuple[float, str]]  # seconds since the start, what begins there
Ends = tuple[float, float]  # of the time axis, seconds


def plot_load(
    run: OverTime, stages: Stages, ends: Ends, limits: Mapping[str, float] | None = None, inside: pl.DataFrame | None = None
) -> str:
    """Requests a second by outcome, and below them the latency of good answers, both as the client saw them.

    `limits`: thresholds by name, drawn as dashed lines. `inside`: `seconds` and `request_ms`, what Triton itself took.
    """
    limits = limits or {}

    def draw(figure: Figure) -> None:
        rates, latency = figure.subplots(2, 1, sharex=True)
        label = "due" if "unsent" not in run.ended_T else "due (sent or not)"
        edges = np.append(run.seconds_T, run.end_s)
        rates.stairs(run.intended_T, edges, baseline=None, color=MUTED, linewidth=1.1, linestyle=(0, (3, 2)), label=label)
        for name, rate_T in run.ended_T.items():
            rates.stairs(rate_T, edges, baseline=None, color=OUTCOME_COLOURS[name], linewidth=1.5, label=name.replace("_", " "))
        if "requests_per_s" in limits:
            limit_line(rates, limits["requests_per_s"], INK, "at least")
        rates.set(title="Requests, at the client", ylabel="requests/s", ylim=(0, None))
        rates.yaxis.set_major_formatter(PLAIN)
        middle_T = (edges[:-1] + edges[1:]) / 2
        for q, latency_T in run.latency_ms_T.items():
            latency.plot(middle_T, latency_T, marker=".", markersize=3.5, color=QUANTILE_COLOURS[q], label=percentile(q))
        drawn_ms = [*run.latency_ms_T.values()]
        for q in run.latency_ms_T:
            if (limit := limits.get(f"{percentile(q)}_ms")) is not None:
                limit_line(latency, limit, QUANTILE_COLOURS[q], f"{percentile(q)} at most")
                drawn_ms.append(np.array([limit]))
        if inside is not None:
            mean_ms = inside["request_ms"].to_numpy()
            latency.plot(inside["seconds"], mean_ms, color=SERVER_COLOUR, linestyle=(0, (1, 1.5)), label="mean inside the server")
            drawn_ms.append(mean_ms)
        latency.set(title="Latency of good answers, at the client, by when they were due", ylabel="ms")
        time_axis(latency, ends)
        fit_scale(latency, np.concatenate(drawn_ms))
        if np.isnan(np.concatenate([*run.latency_ms_T.values()])).all():
            latency.text(0.5, 0.5, "too few good answers in every step", transform=latency.transAxes, ha="center", color=MUTED)
        for axes in (rates, latency):
            mark_stages(axes, stages, with_names=axes is rates)
            legend_beside(axes)

    return drawn(WIDTH_IN, 5.0, draw)


def plot_percentiles(latencies: Mapping[str, np.ndarray], limits: Mapping[str, float] | None = None) -> str:
    """Latency over the number of nines for each of `latencies` (ms); dotted where the requests are too few to claim it.

    Each of `limits` that is one of a percentile is a mark above its place on the axis.
    """
    percentiles = {q: limits[f"{percentile(q)}_ms"] for q in QUANTILE_COLOURS if limits and f"{percentile(q)}_ms" in limits}

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        largest = 0.0
        for (name, latency_ms_R), colour in zip(latencies.items(), (INK, *CYCLE), strict=False):
            curve = percentile_curve(latency_ms_R)
            claimed = np.isfinite(curve.high_ms)
            axes.plot(curve.nines, np.where(claimed, curve.ms, np.nan), color=colour, label=f"{name} ({len(latency_ms_R):,})")
            axes.plot(curve.nines, np.where(claimed, np.nan, curve.ms), color=colour, linestyle=":", linewidth=1.2)
            axes.fill_between(curve.nines, curve.low_ms, curve.high_ms, color=colour, alpha=0.15, linewidth=0)
            largest = max(largest, float(curve.nines.max(initial=0)))
        for q, limit in percentiles.items():
            nines = -math.log10(1 - q)
            largest = max(largest, nines)
            axes.plot([nines], [limit], marker="v", color=RED, linestyle="none", label=f"{percentile(q)} at most {limit:g} ms")
        ticks = [nines for nines in NINES if nines <= largest + 0.05]
        axes.set_xticks(ticks, [percentile(1 - 10.0**-nines) if nines else "p0" for nines in ticks])
        axes.set_xticks([], minor=True)
        axes.set(title="Latency by percentile, at the client", ylabel="ms", xlim=(0, max(largest, 1)))
        axes.set_xlabel("percentile of the requests; each step to the right is ten times rarer")
        fit_scale(axes, np.concatenate([*latencies.values(), [*percentiles.values()]]))
        legend_beside(axes)

    return drawn(WIDTH_IN, 3.4, draw)


def plot_histogram(latencies: Mapping[str, np.ndarray]) -> str:
    """How many good answers took how long; the bins are equally wide on a logarithmic scale."""
    everything = np.concatenate([*latencies.values()])
    _, edges = histogram(everything)

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for (name, latency_ms_R), colour in zip(latencies.items(), CYCLE, strict=False):
            counts, _ = np.histogram(np.maximum(latency_ms_R, edges[0]), edges)
            axes.stairs(counts, edges, color=colour, label=name, linewidth=1.4)
        axes.set(
            title="Good answers by latency, at the client",
            xlabel="ms (log scale)",
            ylabel="requests",
            ylim=(0, None),
            xlim=(edges[0], edges[-1]),
        )
        log_axis(axes, "x", edges[0], edges[-1])
        axes.yaxis.set_major_formatter(PLAIN)
        legend_beside(axes)

    return drawn(WIDTH_IN, 2.8, draw)


def plot_server(model: str, seen: pl.DataFrame, stages: Stages, ends: Ends) -> str:
    """Where requests spent their time inside Triton, how large its batches were, how many waited."""
    parts = {"queue_ms": "waiting in the queue", "input_ms": "input", "infer_ms": "in the model", "output_ms": "output"}

    def draw(figure: Figure) -> None:
        times, batch, pending = figure.subplots(3, 1, sharex=True, height_ratios=(1.5, 1, 1))
        for (name, label), colour in zip(parts.items(), CYCLE, strict=False):
            times.plot(seen["seconds"], seen[name], color=colour, label=label, marker=".", markersize=3.5)
        times.set(title=f"{model}: mean time of a request inside the server", ylabel="ms", ylim=(0, None))
        shown = {"rows_an_execution": "rows", "requests_an_execution": "requests"}
        for (name, label), colour in zip(shown.items(), CYCLE, strict=False):
            batch.plot(seen["seconds"], seen[name], color=colour, label=label, marker=".", markersize=3.5)
        batch.set(title="Mean size of a batch", ylabel="rows, requests", ylim=(0, None))
        pending.plot(seen["seconds"], seen["pending"], color=CYCLE[0], marker=".", markersize=3.5, label="at the look")
        top = max(1.0, 1.05 * (seen["pending"].max() or 0.0))  # nobody waited: a flat line on an axis of whole requests
        pending.set(title="Requests that waited in the server", ylabel="requests", ylim=(0, top))
        pending.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        time_axis(pending, ends)
        for axes in (times, batch, pending):
            mark_stages(axes, stages, with_names=axes is times)
            axes.yaxis.set_major_formatter(PLAIN)
            legend_beside(axes)

    return drawn(WIDTH_IN, 5.4, draw)


def plot_processes(seen: pl.DataFrame, machine: pl.DataFrame, stages: Stages, ends: Ends) -> str:
    """Cores and memory of each group of processes; `machine` has seconds and busy_cores of all that ran."""

    def draw(figure: Figure) -> None:
        cores, memory = figure.subplots(2, 1, sharex=True)
        others = iter(OTHER_COLOURS * len(seen))
        for (name,), group in seen.partition_by("group", as_dict=True, maintain_order=True).items():
            look = GROUP_LOOKS.get(name) or {"color": next(others), "label": f"server: {name}", "linewidth": 1.0}
            cores.plot(group["seconds"], group["cores"], marker=".", markersize=3.5, **look)
            memory.plot(group["seconds"], group["memory_mib"], **look)
        whole = {"color": INK, "linewidth": 1.1, "linestyle": (0, (3, 2))}
        cores.plot(machine["seconds"], machine["busy_cores"], label="whole machine", **whole)
        cores.set(title="Busy cores", ylabel="cores", ylim=(0, None))
        memory.set(title="Memory", ylabel="MiB", ylim=(0, None))
        time_axis(memory, ends)
        memory.yaxis.set_major_formatter(PLAIN)
        for axes in (cores, memory):
            mark_stages(axes, stages, with_names=axes is cores)
            legend_beside(axes)

    return drawn(WIDTH_IN, 4.6, draw)


def time_axis(axes: Axes, ends: Ends) -> None:
    """Seconds since the start, whole numbers of them unless the run was shorter than a few."""
    axes.set(xlabel="seconds since the end of the warm-up", xlim=ends)
    axes.xaxis.set_major_locator(MaxNLocator(9, steps=[1, 2, 3, 5, 6, 10], integer=ends[1] > 3))
    axes.xaxis.set_major_formatter(PLAIN)


def limit_line(axes: Axes, limit: float, colour: str, what: str) -> None:
    """A threshold across the whole time, and what it says in the legend."""
    axes.axhline(limit, color=colour, linewidth=1.2, linestyle=(0, (6, 3)), label=f"limit: {what} {plain_number(limit)}")


def legend_beside(axes: Axes) -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="upper left", bbox_to_anchor=(1.005, 1.02), borderaxespad=0)


def mark_stages(axes: Axes, stages: Stages, with_names: bool) -> None:
    """A thin line where each stage begins; its name at the top of the uppermost panel, as far as there is room."""
    named = {seconds for seconds, _ in stages[:: math.ceil(len(stages) / MOST_NAMES) or 1]}
    for seconds, name in stages if len(stages) > 1 else ():
        axes.axvline(seconds, color=GRID, linewidth=1.4, zorder=0.5)
        if with_names and seconds in named:
            place = {"xytext": (3, -2), "textcoords": "offset points", "va": "top", "fontsize": 7.5, "color": MUTED}
            axes.annotate(name, (seconds, 1.0), xycoords=("data", "axes fraction"), **place)


def fit_scale(axes: Axes, values: np.ndarray) -> None:
    """A logarithmic vertical axis where the values differ too much for a linear one."""
    shown = values[np.isfinite(values) & (values > 0)]
    if len(shown) and shown.max() > LOG_FROM * shown.min():
        log_axis(axes, "y", float(shown.min()), float(shown.max()))
        axes.set_ylabel(f"{axes.get_ylabel()} (log scale)")
    else:
        axes.set_ylim(0, None)
        axes.yaxis.set_major_formatter(PLAIN)


def log_axis(axes: Axes, which: str, low: float, high: float) -> None:
    """Ticks at 1, 2, 5, 10 ... as plain numbers, fewer where the range is wide."""
    decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    steps = (1, 2, 5) if len(decades) <= 5 else (1,)
    ticks = [step * 10.0**decade for decade in decades for step in steps if low * 0.9 <= step * 10.0**decade <= high * 1.1]
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_ticks(ticks)
    axis.set_ticks([], minor=True)
    axis.set_major_formatter(PLAIN)
