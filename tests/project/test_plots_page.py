"""DVC's plots page: made by real DVC, it asks no other host; its templates draw what they should, in the project's colours."""

import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import vl_convert

from stages.evaluation.curves import by_prediction, calibration_table, gain_table, roc_table, slice_table
from stages.evaluation.style import COLOURS, TITLES
from stages.reporting.plots_library import VEGA_LITE, library
from tests.project.imports import ROOT
from tests.project.project_copy import copy_project, run

PLOTS = ("Calibration", "ROC", "Gain", "AUC by slice", "Observed over predicted by slice", "Training loss", "Validation log-loss")
TEMPLATES = {path.stem: json.loads(path.read_text()) for path in (ROOT / ".dvc/plots").glob("*.json")}
HOURS = [str(hour) for hour in range(24)]
STEPS = (50, 100, 102, 150, 200, 204)  # epochs end at 102 and 204


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A copy of the project with the tables that its plots are drawn from."""
    folder = copy_project(tmp_path_factory.mktemp("plots") / "project")
    plots, curves = folder / "reports/plots", folder / "reports/train/plots/metrics"
    for path in (plots, curves / "train", curves / "val"):
        path.mkdir(parents=True)
    label = np.array([1, 0, 1, 0, 0, 0], dtype=np.uint8)
    predictions = {"model": np.linspace(0.6, 0.1, 6), "lightgbm": np.linspace(0.1, 0.6, 6)}
    by_prediction(roc_table(label, predictions), "true_positive_rate").write_csv(plots / "roc.csv")
    by_prediction(gain_table(label, predictions), "share_of_clicks").write_csv(plots / "gain.csv")
    point = {"rows": 90, "clicks": 9, "predicted": 0.08, "observed": 0.1, "low": 0.05, "high": 0.18}
    low = {"rows": 90, "clicks": 0, "predicted": 0.01, "observed": 0.0, "low": 0.0, "high": 0.04}
    calibration_table({"model": [low, point], "lightgbm": [point]}).write_csv(plots / "calibration.csv")
    one, none = {"value": 0.9, "low": 0.8, "high": 1.2}, {"value": None, "low": None, "high": None}
    entry = {"rows": 1200, "clicks": 9, "mean_prediction": 0.1, "normalised_entropy": one, "ctr": one, "auc": one}
    entry |= {"observed_over_predicted": one}
    values = [entry | {"value": hour} for hour in HOURS] + [entry | {"value": "lost", "auc": none}]
    slice_table({"hour": values}, entry).write_csv(plots / "slices.csv")
    pl.DataFrame({"step": STEPS, "loss": [0.3, 0.2, 0.9, 0.19, 0.18, 0.01]}).write_csv(curves / "train/loss.tsv", separator="\t")
    pl.DataFrame({"step": [102, 204], "log_loss": [0.2, 0.1]}).write_csv(curves / "val/log_loss.tsv", separator="\t")
    run(folder, "dvc", "plots", "show")
    return folder


@pytest.fixture(scope="module")
def drawn(project) -> Callable[[str], str]:
    """A plot as SVG, by the Vega-Lite that the page loads; every visible text of it is in there."""
    said = run(project, "dvc", "plots", "show", "--json")
    plots = json.loads(said[said.index("{") :])["data"]

    @cache
    def draw(plot: str) -> str:
        (one,) = plots[plot]
        return vl_convert.vegalite_to_svg(one["content"], vl_version=VEGA_LITE)

    return draw


def test_the_page_names_no_other_host_and_loads_one_file(project) -> None:
    page = (project / "dvc_plots/index.html").read_text()
    assert not re.search(r"//[\w-]+\.[\w.-]+", re.sub(r"<!--.*?-->", "", page, flags=re.S))
    assert re.findall(r'(?:src|href)\s*=\s*"([^"]*)"', page) == ["vega.js"]
    assert page.count("vegaEmbed('#") == len(PLOTS)
    assert "make plots" in page  # what to do if that file is missing


def test_the_library_imports_nothing_and_its_menu_leads_nowhere() -> None:
    script = library()
    assert not re.search(r"""(^|[;\s}])(import|export)\s*[{*'"(]""", script)
    assert "source:false,compiled:false,editor:false" in script.replace(" ", "")
    assert script.startswith("(() => {") and "</script" not in script


@pytest.mark.parametrize("plot", PLOTS)
def test_every_plot_is_drawn(drawn, plot) -> None:
    svg = drawn(plot)
    assert f">{plot}<" in svg and "<DVC_METRIC" not in svg and "NaN" not in svg


@pytest.mark.parametrize("name", ["calibration", "shares"])
def test_a_prediction_has_the_same_colour_in_every_plot(name) -> None:
    for layer in TEMPLATES[name]["layer"]:
        if "color" in layer["encoding"]:
            scale = layer["encoding"]["color"]["scale"]
            expected = {TITLES[key]: colour for key, colour in COLOURS.items()}
            assert len(set(scale["range"])) == len(scale["domain"]) >= 4
            assert dict(zip(scale["domain"], scale["range"], strict=True)).items() <= expected.items()
    text = json.dumps([TEMPLATES["slices"], TEMPLATES["steps"]])
    assert set(re.findall(r"#[0-9a-f]{6}", text)) <= {COLOURS["model"], COLOURS["oracle"], "#7b8794"}
    assert COLOURS["model"] in json.dumps(TEMPLATES["slices"]) and COLOURS["model"] in json.dumps(TEMPLATES["steps"])


@pytest.mark.parametrize("plot", ["Calibration", "ROC", "Gain"])
def test_what_is_on_the_diagonal_is_as_predicted_or_unranked(drawn, plot) -> None:
    assert drawn(plot).count('stroke-dasharray="4,3"') == 1


@pytest.mark.parametrize(
    ("plot", "marks", "number"), [("Calibration", "bin", 2), ("AUC by slice", "value", 25), (PLOTS[4], "value", 26)]
)
def test_every_drawn_value_has_its_interval(drawn, plot, marks, number) -> None:
    """A bin without a click has no place on a logarithmic axis, a slice value without an AUC none on its axis."""
    svg = drawn(plot)
    intervals, values = svg.index('role-mark interval_marks"'), svg.index(f'role-mark {marks}_marks"')
    assert svg.count("<line", intervals, values) == number
    assert svg.count("<path", values, svg.index("</g>", values)) == number


def test_hours_follow_one_another_below_all_rows_and_undefined_values_have_no_mark(drawn) -> None:
    labels = re.findall(r">((?:hour = \w+|all test rows) \([\d,]+\))<", drawn("AUC by slice"))
    assert labels == ["all test rows (1,200)", *(f"hour = {hour} (1,200)" for hour in HOURS)]


def test_the_end_of_an_epoch_is_no_spike_in_the_training_loss(drawn) -> None:
    described = re.findall(r'aria-label="step: ([\d,]+)', drawn("Training loss"))
    assert sorted({int(step) for step in described}) == [50, 100, 150, 200]
    validated = re.findall(r'aria-label="step: ([\d,]+)', drawn("Validation log-loss"))
    assert sorted({int(step) for step in validated}) == [102, 204]
