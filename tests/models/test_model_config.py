"""Sections model, train and trainer: the shipped files are valid, impossible values are not."""

import subprocess
import sys

import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from stages.models.config import ModelConfig, TrainConfig, TrainerConfig
from tests.models.encoded_world import CONF, NETWORK_NAMES, train_values, trainer_values


@pytest.mark.parametrize("name", NETWORK_NAMES)
def test_shipped_model_files_are_valid(name):
    values = yaml.safe_load((CONF / f"model/{name}.yaml").read_text())
    assert TypeAdapter(ModelConfig).validate_python(values).name == name


@pytest.mark.parametrize("name", ["cpu", "portable", "gpu", "ddp"])
def test_shipped_trainer_files_are_valid(name):
    TypeAdapter(TrainerConfig).validate_python(yaml.safe_load((CONF / f"trainer/{name}.yaml").read_text()))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("lr", 0), ("lr", -0.1), ("batch_size", 0), ("seed", -1), ("schedule", "step"), ("unknown_prior_clicks", -1.0),
        ("min_steps_per_epoch", 0),
        ("max_epochs", 0), ("patience_epochs", 0), ("clip_norm", -1), ("misspelt", 1), ("warmup_frac", 1.5),
    ],
)  # fmt: skip
def test_impossible_training_values_are_refused(key, value):
    with pytest.raises(ValidationError, match=key):
        TypeAdapter(TrainConfig).validate_python(train_values(**{key: value}))


def test_seed_zero_is_a_seed():
    assert TypeAdapter(TrainConfig).validate_python(train_values(seed=0)).seed == 0


@pytest.mark.parametrize(
    ("name", "key", "value", "message"),
    [
        ("deepfm", "hidden_dims", [], "hidden_dims"),
        ("deepfm", "dropout", 1.0, "dropout"),
        ("deepfm", "num_cross_layers", 2, "num_cross_layers"),
        ("dcnv2", "structure", "crossed", "'parallel' or 'stacked'"),
        ("logistic", "name", "perceptron", "'logistic', 'deepfm', 'dcnv2', 'din', 'finalmlp'"),
        ("finalmlp", "num_heads", 3, "stream1_dims must end in a multiple of num_heads = 3, got 128"),
    ],
)
def test_impossible_model_values_are_refused(name, key, value, message):
    values = yaml.safe_load((CONF / f"model/{name}.yaml").read_text())
    with pytest.raises(ValidationError, match=message):
        TypeAdapter(ModelConfig).validate_python(values | {key: value})


def test_several_devices_need_ddp():
    with pytest.raises(ValidationError, match="strategy must be 'ddp' with devices = 2, got 'auto'"):
        TypeAdapter(TrainerConfig).validate_python(trainer_values(devices=2))


def test_unknown_matmul_precision_is_refused():
    with pytest.raises(ValidationError, match="'highest', 'high' or 'medium'"):
        TypeAdapter(TrainerConfig).validate_python(trainer_values(matmul_precision="low"))


def test_config_classes_are_importable_without_torch():
    code = "import sys, stages.models.config; sys.exit('torch' in sys.modules or 'pytorch_lightning' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=CONF.parent, check=False).returncode == 0
