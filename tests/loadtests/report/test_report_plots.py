"""What the figures of the load report draw: limits, the marks of the axes, server and client."""

import numpy as np
import polars as pl
import pytest
from matplotlib.figure import Figure

from loadtests.report import plots
from loadtests.report.measured import over_time
from tests.loadtests.sampled import samples, window


@pytest.fixture
def figures(monkeypatch) -> list[Figure]:
    """The figures that are drawn, in order."""
    found = []

    def keep(width_in, height_in, draw):
        found.append(Figure())
        draw(found[-1])
        return ""

    monkeypatch.setattr(plots, "drawn", keep)
    return found


@pytest.fixture
def run():
    return over_time(samples(1000, due=np.arange(1000) / 100), window(10.0))


def levels(axes) -> dict[str, float]:
    """Heights of the level lines by their names."""
    return {line.get_label(): line.get_ydata()[0] for line in axes.lines if str(line.get_label()).startswith("limit")}


def test_limits_are_drawn_in_the_panel_of_what_they_limit(figures, run):
    limits = {"p50_ms": 20.0, "p99_ms": 250.0, "requests_per_s": 50.0, "error_share": 0.0}
    plots.plot_load(run, [], (0, 10), limits)
    rates, latency = figures[0].axes
    assert levels(rates) == {"limit: at least 50": 50.0}
    assert levels(latency) == {"limit: p50 at most 20": 20.0, "limit: p99 at most 250": 250.0}
    assert latency.get_ylim()[1] >= 250


def test_without_limits_none_are_drawn(figures, run):
    plots.plot_load(run, [], (0, 10))
    assert levels(figures[0].axes[0]) == levels(figures[0].axes[1]) == {}


def test_the_limit_of_a_percentile_is_a_mark_at_its_place(figures):
    plots.plot_percentiles({"grpc": np.full(1000, 10.0)}, {"p99_ms": 40.0})
    (axes,) = figures[0].axes
    (mark,) = [line for line in axes.lines if str(line.get_label()).startswith("p99 at most")]
    assert mark.get_xdata()[0] == pytest.approx(2.0) and mark.get_ydata()[0] == 40.0


def test_the_mean_inside_the_server_stands_beside_what_the_client_saw(figures, run):
    plots.plot_load(run, [], (0, 10), {}, pl.DataFrame({"seconds": [0.0, 5.0], "request_ms": [2.0, 3.0]}))
    (inside,) = [line for line in figures[0].axes[1].lines if line.get_label() == "mean inside the server"]
    assert list(inside.get_ydata()) == [2.0, 3.0] and inside.get_color() == plots.SERVER_COLOUR


def test_server_and_client_have_looks_of_their_own(figures):
    names = ["client", "ctr_careful process", "server"]
    seen = pl.DataFrame({"group": names, "seconds": [0.0] * 3, "cores": [0.5, 1.5, 1.0], "memory_mib": [1.0, 2.0, 3.0]})
    plots.plot_processes(seen, pl.DataFrame({"seconds": [0.0], "busy_cores": [2.0]}), [], (0, 10))
    looks = {line.get_label(): (line.get_color(), line.get_linestyle()) for line in figures[0].axes[0].lines}
    assert set(looks) == {"server (Triton)", "server: ctr_careful process", "client (load generator)", "whole machine"}
    assert looks["server (Triton)"][0] == plots.SERVER_COLOUR and len(set(looks.values())) == 4


def test_every_axis_has_its_unit(figures, run):
    steps = pl.DataFrame(
        {name: [1.0, 2.0] for name in ("seconds", "request_ms", "queue_ms", "input_ms", "infer_ms", "output_ms")}
    )
    steps = steps.with_columns(rows_an_execution=1.0, requests_an_execution=1.0, pending=0.0)
    plots.plot_load(run, [], (0, 10))
    plots.plot_percentiles({"grpc": np.arange(1, 1000, dtype=float)})
    plots.plot_histogram({"grpc": np.arange(1, 1000, dtype=float)})
    plots.plot_server("ctr", steps, [], (0, 10))
    for axes in (axes for figure in figures for axes in figure.axes):
        assert axes.get_ylabel() and (axes.get_xlabel() or axes is not axes.figure.axes[-1])
    assert figures[1].axes[0].get_ylabel() == "ms (log scale)"
