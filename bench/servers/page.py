"""Writes what was measured into docs/comparison.md between its marks, and draws docs/plots/comparison.svg."""

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import matplotlib
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, NullFormatter, StrMethodFormatter

from bench.servers.verdicts import Series, p99_ms, series_of, speed
from bench.table import machine
from loadtests.peers.contenders import OURS, SECOND
from loadtests.peers.measured import IN_PROCESS, IN_PROCESS_PACKED, PeerMeasurement, Workload
from loadtests.peers.rounds import ALONE
from stages.files import atomic_path

PAGE, PLOT = Path("docs/comparison.md"), Path("docs/plots/comparison.svg")
START, END = "<!-- comparison: written by `make compare` -->", "<!-- end of comparison -->"
HEAD = (
    "| rows / clients | server | requests/s | rows/s | p50 ms | p99 ms | errors | server's CPU s / 1,000 requests | idle, cores |"
)
OUR_COLOUR, OTHER_COLOUR, LIMIT_COLOUR = "#1b6ca8", "#b9c0c7", "#c0392b"
LINES = {IN_PROCESS: "-", IN_PROCESS_PACKED: ":"}


def write_page(measured: Sequence[PeerMeasurement], rounds: int, seconds: float, date: str) -> None:
    """Put the table between the marks; what people wrote around them stays. Raises ValueError if a mark is missing."""
    before, start, rest = PAGE.read_text(encoding="utf-8").partition(START)
    _, end, after = rest.partition(END)
    if not start or not end:
        raise ValueError(f"{PAGE} has lost a mark; it needs the lines '{START}' and '{END}' where the table belongs")
    facts = machine()
    noise = [one.others_cores for one in measured]
    note = (
        f"Measured on {facts['processor']}, {facts['memory']} memory, {facts['system']}, {date}; rounds: {rounds}, "
        f"{seconds:g} s a load; medians, and the range of the rounds in brackets. Processes that had no part in it took "
        f"{median(noise):.2f} cores during a load in the median, {max(noise):.2f} at most."
    )
    with atomic_path(PAGE) as partial:
        text = f"{before}{START}\n\n{note}\n\n{table(series_of(measured))}\n\n{END}{after}"
        partial.write_text(text, encoding="utf-8")


def table(series: Sequence[Series]) -> str:
    """One row a door and workload, the fastest of each workload first; the graph alone ends its number of rows."""
    lines = [HEAD, "|---|---|--:|--:|--:|--:|--:|--:|--:|"]
    for workload in workloads_of(series):
        chosen = [one for one in series if one.workload == workload]
        lines += [row(one, str(workload)) for one in sorted(chosen, key=lambda one: -one.median(speed))]
    for one in series:
        if one.product in ALONE:
            lines.append(row(one, f"{one.workload.rows}"))
    return "\n".join(lines)


def row(one: Series, where: str) -> str:
    cells = [
        where.replace("/", " / "),
        f"**{one.door}**" if one.product == OURS else one.door,
        ranged(one.values(lambda m: m.requests_per_s), 0),
        f"{one.median(lambda m: m.rows_per_s):,.0f}",
        "" if one.product in ALONE else f"{one.median(lambda m: m.p50_ms):.2f}",
        "" if one.product in ALONE else ranged(one.values(p99_ms), 1),
        f"{one.errors}",
        f"{one.median(lambda m: m.cpu_s_per_1000):.2f}",
        "" if one.product in ALONE else f"{one.median(lambda m: m.idle_cores):.2f}",
    ]
    return f"| {' | '.join(cells)} |"


def ranged(values: Sequence[float], digits: int) -> str:
    """The median, and the range if there are several values."""
    text = f"{median(values):,.{digits}f}"
    return text if len(values) == 1 else f"{text} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


def workloads_of(series: Sequence[Series]) -> list[Workload]:
    return list(dict.fromkeys(one.workload for one in series if one.product not in ALONE))


def draw(measured: Sequence[PeerMeasurement]) -> None:
    """Requests a second above, p99 below, a column a workload; red lines are the graph alone in two processes."""
    series = [one for one in series_of(measured) if one.product != SECOND]
    doors = list(dict.fromkeys(one.door for one in series if one.product not in ALONE))[::-1]
    workloads = workloads_of(series)
    with matplotlib.rc_context({"svg.hashsalt": "comparison", "font.size": 8}):
        canvas = Canvas(figsize=(2.3 * len(workloads) + 2, 6), layout="constrained")
        panels = canvas.subplots(2, len(workloads), sharey=True, squeeze=False)
        slowest = max((one.median(p99_ms) for one in series if one.product not in ALONE), default=1.0)
        for (above, below), workload in zip(panels.T, workloads, strict=True):
            chosen = {one.door: one for one in series if one.workload == workload}
            bars(above, doors, chosen, speed, "requests/s")
            above.set_title(f"rows a request {workload.rows}, clients {workload.clients}")
            above.xaxis.set_major_locator(MaxNLocator(3))
            above.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
            for one in series:
                if one.product in ALONE and one.workload.rows == workload.rows:
                    above.axvline(one.median(speed), color=LIMIT_COLOUR, linewidth=1, linestyle=LINES[one.product])
            bars(below, doors, chosen, p99_ms, "p99, ms")
            below.set_xscale("log")
            below.set_xlim(0.1, 2 * slowest)  # the same for all workloads
            below.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            below.xaxis.set_minor_formatter(NullFormatter())
        canvas.legend(handles=legend_handles(), loc="outside upper left", ncols=4, frameon=False)
        canvas.set_layout_engine("constrained", w_pad=0.1, h_pad=0.1)  # inches; without them labels touch the edge
        with atomic_path(PLOT) as partial:
            canvas.savefig(partial, format="svg", metadata={"Date": None})


def legend_handles() -> list[Artist]:
    """What the colours and lines of the plot mean."""
    boxes = [Patch(color=OUR_COLOUR, label="the served model"), Patch(color=OTHER_COLOUR, label="other servers")]
    return boxes + [
        Line2D([], [], color=LIMIT_COLOUR, linewidth=1, linestyle=line, label=f"the graph alone, {name}")
        for name, line in LINES.items()
    ]


def bars(
    axes: Axes, doors: Sequence[str], chosen: dict[str, Series], what: Callable[[PeerMeasurement], float], label: str
) -> None:
    values = [chosen[door].median(what) if door in chosen else 0.0 for door in doors]
    colours = [OUR_COLOUR if door in chosen and chosen[door].product == OURS else OTHER_COLOUR for door in doors]
    axes.barh(doors, values, color=colours)
    axes.set_xlabel(label)
    axes.spines[["top", "right"]].set_visible(False)
