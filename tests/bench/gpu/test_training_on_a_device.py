"""Training on a device learns what training on the CPU does, wherever the batches are cut, and goes on where it was stopped.

Needs few packages, so that `make gpu-check` can run it.
"""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from bench.gpu.made_up import made_up_data
from bench.gpu.training import CurveInMemory, Setting, trained, trained_in

ACCELERATORS = ["cpu", pytest.param("gpu", marks=pytest.mark.gpu)]
EPOCHS = 2
ON_GPU = [
    pytest.param("gpu", network, precision, marks=pytest.mark.gpu)
    for network in ("logistic", "deepfm", "dcnv2", "finalmlp")
    for precision in ("32-true", "bf16-mixed")
]


@pytest.fixture(scope="module")
def data():
    return made_up_data(3000, 1000, num_users=50, num_creatives=60, image_size=8, seed=2)


@pytest.fixture(autouse=True)
def switches_as_before(monkeypatch):
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # torch looks once, at the first product on a GPU
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    yield
    torch.set_num_threads(before[0])
    torch.use_deterministic_algorithms(before[1])


def setting(accelerator: str, **changes) -> Setting:
    """Steps that give the same bits every time, twelve an epoch, a checkpoint every five."""
    settings = {"precision": "32-true", "batch_size": 256, "deterministic": True, "checkpoint_every_steps": 5, "num_threads": 1}
    return Setting(accelerator=accelerator, **settings | changes)


class StoppingCurve(CurveInMemory):
    """Stops a training where it logs the first validation, which is after the last step of an epoch and before its checkpoint."""

    def log_metrics(self, metrics, step, sync):
        super().log_metrics(metrics, step, sync)
        if "val/log_loss" in metrics:
            raise InterruptedError("stopped")


def weights(folder: Path, fitted) -> dict[str, torch.Tensor]:
    return load_file(folder / fitted.best_weights_path.name)


@pytest.mark.parametrize(("accelerator", "network", "precision"), [("cpu", "dcnv2", "bf16-mixed"), *ON_GPU])
def test_a_device_learns_what_the_cpu_does(data, accelerator, network, precision):
    on_cpu = trained(data, setting("cpu", network=network, on_device=False), EPOCHS)
    there = trained(data, setting(accelerator, network=network, precision=precision, deterministic=False), EPOCHS)
    assert there.best.log_loss == pytest.approx(on_cpu.best.log_loss, abs=0.02)  # other rounding, other ids hidden
    rate = data.val.label_N.mean()
    constant = -(rate * torch.tensor(rate).log() + (1 - rate) * torch.tensor(1 - rate).log()).item()
    assert there.best.log_loss < constant + 0.02 and there.best.auc > 0.55


@pytest.mark.parametrize("accelerator", ACCELERATORS)
def test_batches_cut_on_the_device_give_the_weights_of_those_cut_here(tmp_path, data, accelerator):
    found = []
    for on_device in (True, False):
        folder = tmp_path / str(on_device)
        found.append(weights(folder, trained_in(folder, data, setting(accelerator, on_device=on_device), 1, CurveInMemory())))
    assert found[0].keys() == found[1].keys()
    assert all(torch.equal(weight, found[1][name]) for name, weight in found[0].items())


@pytest.mark.parametrize("accelerator", ACCELERATORS)
def test_a_stopped_training_ends_with_the_weights_of_one_that_was_not(tmp_path, data, accelerator):
    whole = trained_in(tmp_path / "whole", data, setting(accelerator), EPOCHS, CurveInMemory())
    with pytest.raises(InterruptedError, match="stopped"):
        trained_in(tmp_path / "stopped", data, setting(accelerator), EPOCHS, StoppingCurve())
    assert [path.name for path in (tmp_path / "stopped").glob("step=*")] == ["step=0000000010"]
    rest = trained_in(tmp_path / "stopped", data, setting(accelerator), EPOCHS, CurveInMemory())
    assert rest.best == whole.best and rest.num_steps == whole.num_steps == 24
    first, second = weights(tmp_path / "whole", whole), weights(tmp_path / "stopped", rest)
    assert all(torch.equal(weight, second[name]) for name, weight in first.items())
