"""The last step to the probability: what is fitted, that it helps where it should, and that the exported graph has it."""

from pathlib import Path

import numpy as np
import pytest
import torch

from stages import export
from stages.exporting.calibrating import GROUP_CLICKS, best_rate, calibration_of, groups, knots
from stages.exporting.graphs import ranker_graph
from stages.exporting.parity import largest_difference, ranker_feed, sliced, torch_probabilities
from stages.models.calibration import Monotone, Temperature
from stages.models.encoded_arrays import load_creatives, load_spec, load_split
from stages.models.model_folder import load_model
from stages.models.val_metrics import auc, log_loss


@pytest.fixture
def exported_here(exported, monkeypatch):
    monkeypatch.chdir(exported)


def bent(logit_N: np.ndarray) -> np.ndarray:
    """Rises, and is neither a factor nor a shift."""
    return np.where(logit_N < -2, 0.5 * logit_N - 1.5, 1.5 * logit_N + 0.5)


def clicks(true_N: np.ndarray, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).random(len(true_N)) < 1 / (1 + np.exp(-true_N))).astype(np.uint8)


def logits(number: int = 60_000) -> np.ndarray:
    return np.random.default_rng(1).normal(-2, 1, number)


@pytest.mark.parametrize("rate", [0.5, 1.0, 2.0])
def test_a_temperature_is_the_one_that_the_labels_were_drawn_with(rate):
    assert best_rate(logits(), clicks(rate * logits()), np.ones(60_000)) == pytest.approx(rate, rel=0.03)


def test_knots_lie_on_the_line_that_the_labels_were_drawn_with():
    x, y = knots(logits(), clicks(bent(logits())), np.ones(60_000))
    assert len(x) > 10 and (np.diff(x) > 0).all() and (np.diff(y) > 0).all()
    assert np.abs(np.array(y) - bent(np.array(x))).mean() < 0.12


def test_what_is_bent_becomes_straight_and_keeps_its_order():
    fitted = calibration_of("isotonic", logits(), clicks(bent(logits())))
    fresh = np.random.default_rng(3).normal(-2, 1, 50_000)
    label_N = clicks(bent(fresh), seed=4)
    found = fitted(torch.tensor(fresh, dtype=torch.float32)).numpy()
    assert log_loss(found, label_N) < log_loss(fresh, label_N) - 0.003
    assert log_loss(found, label_N) < log_loss(bent(fresh), label_N) + 0.0003
    assert auc(found, label_N) == pytest.approx(auc(fresh, label_N), abs=1e-6)


def test_rates_of_groups_are_not_too_high():
    """A group that ended with a click would have a rate too high by one in GROUP_CLICKS."""
    p_N = np.full(200_000, 0.01)
    label_N = (np.random.default_rng(5).random(len(p_N)) < p_N).astype(np.int64)
    group_N = groups(p_N)
    clicks_G, rows_G = np.bincount(group_N, label_N), np.bincount(group_N)
    assert len(rows_G) == pytest.approx(len(p_N) * 0.01 / GROUP_CLICKS, abs=1)
    assert np.ptp(rows_G) <= 1
    assert (clicks_G / rows_G).mean() == pytest.approx(0.01, rel=0.05)


def test_outside_the_knots_the_slope_is_one():
    line = Monotone((-3.0, -1.0), (-2.0, -1.5))
    found = line(torch.tensor([-5.0, -3.0, -2.0, -1.0, 4.0]))
    assert found.tolist() == pytest.approx([-4.0, -2.0, -1.75, -1.5, 3.5])


@pytest.mark.parametrize(("kind", "rows"), [("isotonic", 99), ("temperature", 0)])
def test_too_few_clicks_are_refused(kind, rows):
    label_N = np.zeros(5000, dtype=np.uint8)
    label_N[:rows] = 1
    with pytest.raises(
        ValueError, match=rf"export.calibrate: {kind} needs .* which has {rows} and {5000 - rows}; set it to none"
    ):
        calibration_of(kind, logits(5000), label_N)


@pytest.mark.parametrize(("kind", "difference"), [("temperature", 1e-5), ("isotonic", 2e-3)])
def test_a_row_that_counts_three_is_three_rows(kind, difference):
    """Of the isotonic ones in the mean: where groups end is not the same to the row."""
    logit_N, weight_N = logits(), np.random.default_rng(6).integers(1, 4, 60_000)
    label_N = clicks(bent(logit_N))
    weighted = calibration_of(kind, logit_N, label_N, weight_N.astype(np.float64))
    repeated = calibration_of(kind, np.repeat(logit_N, weight_N), np.repeat(label_N, weight_N))
    fresh = torch.tensor(np.random.default_rng(3).normal(-2, 1, 50_000), dtype=torch.float32)
    assert float((torch.sigmoid(weighted(fresh)) - torch.sigmoid(repeated(fresh))).abs().mean()) < difference
    assert float((torch.sigmoid(weighted(fresh)) - torch.sigmoid(fresh)).abs().mean()) > 5 * difference


def test_none_is_nothing():
    assert calibration_of("none", logits(10), np.zeros(10)) is None


@pytest.mark.parametrize("step", [Temperature(0.7), Monotone((-2.0, -1.0, 0.5), (-1.0, -0.9, 0.4))])
def test_the_exported_ranker_says_what_torch_says_after_the_step(exported_here, step):
    network, spec = load_model(Path("artifacts/model")), load_spec(Path("data/encoded"))
    table = export.creative_table(network, load_creatives(Path("data/encoded"), spec))
    split = load_split(Path("data/encoded"), "test", spec)
    before = torch_probabilities(network, split, table)
    network.calibration = step
    expected = torch_probabilities(network, split, table)
    assert np.abs(expected - before).mean() > 0.01
    graph = Path("artifacts/calibrated.onnx")
    graph.write_bytes(ranker_graph(network, table).SerializeToString())
    for size in (1, 7, 64):
        assert largest_difference(graph, sliced(ranker_feed(split)), expected, size) <= 1e-6
    graph.unlink()


@pytest.mark.parametrize("kind", ["temperature", "none"])
def test_the_export_fits_it_on_the_validation_rows(exported_here, kind):
    network, spec = load_model(Path("artifacts/model")), load_spec(Path("data/encoded"))
    table = export.creative_table(network, load_creatives(Path("data/encoded"), spec))
    step = export.calibration(network, table, spec, kind)
    if kind == "none":
        assert step is None
        return
    val = load_split(Path("data/encoded"), "val", spec)
    p_N = torch_probabilities(network, val, table).astype(np.float64)
    assert float(step.rate) == pytest.approx(
        best_rate(np.log(p_N / (1 - p_N)), np.array(val.label_N), np.ones(len(val))), rel=1e-3
    )


def test_a_graph_without_the_step_has_no_trace_of_it(exported_here):
    network, spec = load_model(Path("artifacts/model")), load_spec(Path("data/encoded"))
    table = export.creative_table(network, load_creatives(Path("data/encoded"), spec))
    assert ranker_graph(network, table).SerializeToString(deterministic=True) == Path("artifacts/export/ranker.onnx").read_bytes()
