"""Writing and loading a trained model."""

import json
import os

import pytest
import torch

from stages.models.model_folder import load_model, save_model
from stages.models.network import build_network
from stages.models.resume import hold_alone
from tests.models.encoded_world import NETWORK_NAMES, World, model_config, spec_of


@pytest.mark.parametrize("name", NETWORK_NAMES)
def test_a_loaded_model_scores_as_the_saved_one(tmp_path, name):
    torch.manual_seed(0)
    network = build_network(model_config(name), spec_of(World())).eval()
    save_model(tmp_path, network, network.state_dict(), {"best_epoch": 2})
    loaded = load_model(tmp_path)
    assert not loaded.training and loaded.config == network.config and loaded.spec == network.spec
    cat_idx, dense = torch.randint(0, 7, (5, 3)), torch.randn(5, 2)
    images = torch.randint(0, 256, (5, 3, 8, 8), dtype=torch.uint8)
    emb = network.creative_encoder(images)
    assert torch.equal(loaded.creative_encoder(images), emb)
    assert torch.equal(loaded.ranker(cat_idx, dense, emb), network.ranker(cat_idx, dense, emb))


def test_equal_models_are_equal_bytes(tmp_path):
    for folder in ("one", "other"):
        torch.manual_seed(0)
        network = build_network(model_config(), spec_of(World()))
        save_model(tmp_path / folder, network, network.state_dict(), {"best_epoch": 2})
    for name in ("model.json", "weights.safetensors"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()


def test_model_json_holds_plain_values_only(tmp_path):
    network = build_network(model_config("dcnv2"), spec_of(World()))
    save_model(tmp_path, network, network.state_dict(), {"best_epoch": 2})
    described = json.loads((tmp_path / "model.json").read_text())
    assert described["best_epoch"] == 2 and described["model"]["name"] == "dcnv2"
    assert described["spec"]["categorical"][0] == {"name": "field0", "num_ids": 12}


def test_what_holds_no_model_is_refused(tmp_path):
    with pytest.raises(ValueError, match="model.json is missing; run the stage `train` first"):
        load_model(tmp_path)
    network = build_network(model_config("logistic"), spec_of(World()))
    save_model(tmp_path, network, network.state_dict(), {})
    other = build_network(model_config("deepfm"), spec_of(World()))
    described = json.loads((tmp_path / "model.json").read_text())
    save_model(tmp_path, other, network.state_dict(), {})
    with pytest.raises(ValueError, match="holds weights of another network than model.json"):
        load_model(tmp_path)
    (tmp_path / "model.json").write_text(json.dumps(described | {"format": 99}))
    with pytest.raises(ValueError, match="must have format 1, got 99"):
        load_model(tmp_path)
    described["model"]["name"] = "unheard_of"
    (tmp_path / "model.json").write_text(json.dumps(described))
    with pytest.raises(ValueError, match="holds no known network"):
        load_model(tmp_path)


def test_a_second_training_in_the_same_place_is_refused(tmp_path):
    held = hold_alone(tmp_path / "train.lock")
    with pytest.raises(ValueError, match=f"another training is running here .process {os.getpid()}."):
        hold_alone(tmp_path / "train.lock")
    held.close()
    hold_alone(tmp_path / "train.lock").close()
