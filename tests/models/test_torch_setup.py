"""What a training tells torch before it starts."""

import os

import pytest
import torch
from lightning_fabric.utilities.distributed import _set_num_threads_if_needed

from stages.models.config import TrainConfig, TrainerConfig
from stages.models.torch_setup import prepare_torch
from tests.models.encoded_world import train_values, trainer_values


@pytest.fixture
def own_threads(monkeypatch):
    for name in ("OMP_NUM_THREADS", "GLOO_SOCKET_IFNAME"):
        monkeypatch.setenv(name, "")  # so that it is set back
        del os.environ[name]
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_lightning_does_not_share_out_the_cores_anew(own_threads):
    prepare_torch(TrainConfig(**train_values()), TrainerConfig(**trainer_values() | {"num_threads": 3}))
    _set_num_threads_if_needed(num_processes=2)  # as its launcher does in every process
    assert torch.get_num_threads() == 3


def test_processes_that_train_together_meet_on_loopback_unless_somebody_has_said_where(own_threads):
    prepare_torch(TrainConfig(**train_values()), TrainerConfig(**trainer_values()))
    assert os.environ["GLOO_SOCKET_IFNAME"] == "lo"
    os.environ["GLOO_SOCKET_IFNAME"] = "eth0"
    prepare_torch(TrainConfig(**train_values()), TrainerConfig(**trainer_values()))
    assert os.environ["GLOO_SOCKET_IFNAME"] == "eth0"
