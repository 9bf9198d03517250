"""A linear part beside the network where clicks are few."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from stages.models import few_clicks
from stages.models.encoded_arrays import load_creatives, load_split
from stages.models.few_clicks import has_few_clicks, share_with_linear_part, val_logits
from stages.models.model_folder import load_model, save_model
from stages.models.network import build_network
from stages.models.penalised_logistic import choose_logistic
from stages.models.training import channels_last
from stages.models.val_metrics import auc, log_loss
from tests.models.encoded_world import NETWORK_NAMES, World, model_config, spec_of, write_encoded

WORLD = World(num_rows={"train": 900, "val": 400, "test": 50})
SPEC = spec_of(WORLD)


@pytest.fixture
def splits(tmp_path):
    write_encoded(tmp_path, WORLD)
    train, val = (load_split(tmp_path, name, SPEC) for name in ("train", "val"))
    return train, val, channels_last(load_creatives(tmp_path, SPEC))


def fresh(name: str = "dcnv2"):
    torch.manual_seed(0)
    return build_network(model_config(name), SPEC)


@pytest.mark.parametrize("name", NETWORK_NAMES)
def test_a_network_that_learnt_nothing_hands_most_of_its_logit_to_the_linear_part(splits, tmp_path, name):
    train, val, images = splits
    network = fresh(name)
    before = log_loss(val_logits(network, val, images), val.label_N)
    mixed = share_with_linear_part(network, train, val, images, seed=0)
    assert mixed.share >= 0.7 and mixed.log_loss < before - 0.02
    logit_N = val_logits(network, val, images)
    assert log_loss(logit_N, val.label_N) == pytest.approx(mixed.log_loss, abs=1e-6)
    assert auc(logit_N, val.label_N) == pytest.approx(mixed.auc, abs=1e-3)
    save_model(tmp_path / "model", network, network.state_dict(), {})
    np.testing.assert_array_equal(val_logits(load_model(tmp_path / "model"), val, images), logit_N)


def test_the_logit_is_the_weighted_mean_of_both(splits):
    train, val, images = splits
    network = fresh()
    alone_N = val_logits(network, val, images)
    kept = choose_logistic(train, val, SPEC, few_clicks.C_VALUES, few_clicks.MAX_ITER, 0)
    share = share_with_linear_part(network, train, val, images, seed=0).share
    expected_N = (1 - share) * alone_N + share * kept.val_logit_N
    np.testing.assert_allclose(val_logits(network, val, images), expected_N, atol=1e-5)


def test_a_network_that_val_is_for_stays_as_it_is(splits, monkeypatch):
    train, val, images = splits
    network = fresh()
    names = list(network.state_dict())
    knows = (val.label_N * 8.0 - 4.0).astype(np.float32)  # a network that knows all the answers
    monkeypatch.setattr(few_clicks, "val_logits", lambda *_: knows)
    assert share_with_linear_part(network, train, val, images, seed=0) is None
    assert network.linear_share == 0.0 and list(network.state_dict()) == names


@pytest.mark.parametrize(("clicks", "rows", "few"), [(0, 900, False), (1, 900, True), (900, 900, False), (899, 900, True)])
def test_few_is_meant_of_the_rarer_label_and_both_are_needed(splits, clicks, rows, few):
    label_N = np.zeros(rows, dtype=np.uint8)
    label_N[:clicks] = 1
    assert has_few_clicks(replace(splits[0], label_N=label_N)) is few


def test_thousands_of_clicks_are_not_few(splits):
    label_N = np.tile(np.array([0, 1], dtype=np.uint8), few_clicks.FEW)
    assert not has_few_clicks(replace(splits[0], label_N=label_N))
    assert has_few_clicks(replace(splits[0], label_N=label_N[2:]))
