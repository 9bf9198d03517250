"""The stage `train` on all clicked rows and a share of the others: probabilities are those of all rows, also after a kill."""

import json
import math
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from stages import train
from stages.models import few_clicks
from stages.models.encoded_arrays import load_split
from stages.models.epoch_rows import epoch_rows
from stages.models.few_clicks import share_with_linear_part, val_logits
from stages.models.model_folder import load_model
from stages.models.network import build_network
from stages.models.penalised_logistic import choose_logistic
from tests.models.encoded_world import World, model_config, spec_of, train_values, trainer_values, write_encoded, write_params
from tests.stages.test_train import outputs, run_stage

WORLD = World(num_creatives=0, num_rows={"train": 12_000, "val": 6000, "test": 50})
KEPT = 0.2


@pytest.fixture
def in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def prepare(folder: Path, model: str = "deepfm", **changes) -> Path:
    write_encoded(folder / "data/encoded", WORLD)
    settings = {"batch_size": 256, "max_epochs": 6, "lr": 0.02, "keep_negatives": KEPT, **changes}
    write_params(folder / "params.yaml", asdict(model_config(model)), train_values(**settings), trainer_values())
    return folder


def observed_over_predicted(folder: Path) -> float:
    val = load_split(folder / "data/encoded", "val", spec_of(WORLD))
    p_click = 1 / (1 + np.exp(-val_logits(load_model(folder / "artifacts/model"), val, None).astype(np.float64)))
    return float(val.label_N.sum() / p_click.sum())


@pytest.mark.parametrize(("model", "few"), [("deepfm", 0), ("dcnv2", 0), ("finalmlp", 0), ("logistic", 0), ("dcnv2", 10**9)])
def test_probabilities_are_those_of_all_rows(in_folder, monkeypatch, capsys, model, few):
    """Without the correction two clicks are said for each one; with few clicks the linear part is right as well. So few rows
    leave the ratio 3 % of chance: 1,600 rows without a click an epoch, and 1,900 clicks in val.
    """
    monkeypatch.setattr(few_clicks, "FEW", few)
    monkeypatch.setattr(few_clicks, "SHARES", (0.5,))
    prepare(in_folder, model)
    train.main()
    metrics = json.loads((in_folder / "reports/train/metrics.json").read_text())
    label_N = np.load(in_folder / "data/encoded/train/label.npy")
    rate = label_N.mean()
    constant = -(rate * math.log(rate) + (1 - rate) * math.log(1 - rate))
    assert observed_over_predicted(in_folder) == pytest.approx(1, abs=0.15)
    assert metrics["val/log_loss"] < constant - 0.03
    others = round(KEPT * int((label_N == 0).sum()))
    facts = {"rows": 12_000, "clicks": int(label_N.sum()), "others_an_epoch": others}
    said = metrics["sampled_negatives"]
    assert {name: said[name] for name in facts} == facts and said["logit_shift"] == math.log(said["kept_share"])
    assert json.loads((in_folder / "artifacts/model/model.json").read_text())["sampled_negatives"] == said
    shown = f"({said['clicks'] + others:,} an epoch: all clicks, {said['kept_share']:.4g} of the others)"
    assert shown in capsys.readouterr().out


def test_the_linear_part_is_fitted_on_the_drawn_rows_and_says_what_it_is_among_all(tmp_path):
    write_encoded(tmp_path, WORLD)
    train_rows, val = (load_split(tmp_path, name, spec_of(WORLD)) for name in ("train", "val"))
    rows = epoch_rows(train_rows, KEPT, seed=3)
    drawn = train_rows.taken(np.sort(rows.of(0)))
    assert len(drawn) == len(rows) and drawn.label_N.sum() == train_rows.label_N.sum()
    network = build_network(model_config("deepfm"), spec_of(WORLD))
    alone_N = val_logits(network, val, None)
    mixed = share_with_linear_part(network, drawn, val, None, 0, rows.logit_shift)
    kept = choose_logistic(drawn, val, spec_of(WORLD), few_clicks.C_VALUES, few_clicks.MAX_ITER, 0)
    expected_N = (1 - mixed.share) * alone_N + mixed.share * (kept.val_logit_N + math.log(rows.kept_share))
    np.testing.assert_allclose(val_logits(network, val, None), expected_N, atol=1e-4)


def test_fewer_rows_an_epoch_are_fewer_steps_and_smaller_ones(in_folder):
    prepare(in_folder, max_epochs=1, min_steps_per_epoch=100)
    train.main()
    metrics = json.loads((in_folder / "reports/train/metrics.json").read_text())
    drawn = metrics["sampled_negatives"]["clicks"] + metrics["sampled_negatives"]["others_an_epoch"]
    assert metrics["batch_size"] == 32  # 64, the power of two below 12,000 / 100, by the root of the share that is drawn
    assert 2**4.5 < 64 * math.sqrt(drawn / 12_000) < 2**5.5
    assert metrics["num_steps"] == math.ceil(drawn / 32)


def test_without_the_setting_nothing_is_said_of_it(in_folder):
    prepare(in_folder, keep_negatives=1.0, max_epochs=1)
    train.main()
    assert "sampled_negatives" not in (in_folder / "reports/train/metrics.json").read_text()
    assert "sampled_negatives" not in (in_folder / "artifacts/model/model.json").read_text()


def test_a_killed_training_ends_with_the_bytes_of_one_that_was_not(tmp_path):
    whole, killed = (prepare(tmp_path / name, max_epochs=3) for name in ("whole", "killed"))
    results = run_stage((whole, "never"), (killed, "step:25"), (killed, "never"))
    assert [code for code, _ in results] == [0, -9, 0] and "resuming at step 24" in results[2][1]
    assert outputs(killed) == outputs(whole)
