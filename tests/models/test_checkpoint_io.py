"""Lightning checkpoints as safetensors and JSON."""

import errno
from collections import OrderedDict

import pytest
import torch

from stages.models import checkpoint_io
from stages.models.checkpoint_io import SafetensorsCheckpointIO


def checkpoint() -> dict:
    """The kinds of values that Lightning puts into a checkpoint."""
    weight = torch.randn(3, 2, generator=torch.Generator().manual_seed(0))
    return {
        "state_dict": OrderedDict(b=weight, a=weight.t()),  # b and a share their memory
        "optimizer_states": [
            {
                "state": {0: {"step": torch.tensor(4.0), "exp_avg": weight.bfloat16()}, 11: {}},
                "param_groups": [{"lr": 0.1 + 0.2, "betas": (0.9, 0.999), "params": [0, 11], "fused": True}],
            }
        ],
        "loops": {"fit_loop": {"nan": float("inf"), "text": "a\u00e9", "none": None, "empty": [], "ints": [1, -(2**60)]}},
        "callbacks": {"EarlyStopping{'monitor': 'val/log_loss'}": {"best": torch.tensor(float("inf"))}},
        "scalar": torch.zeros(()),
        "no_values": torch.zeros(0, 4),
        "bytes": torch.arange(5, dtype=torch.uint8),
    }


def assert_same(one, other):
    assert type(one) is type(other)
    if isinstance(one, torch.Tensor):
        assert one.dtype == other.dtype and torch.equal(one, other)
    elif isinstance(one, dict):
        assert list(one) == list(other)
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            assert_same(a, b)
    else:
        assert one == other


def test_a_nested_checkpoint_comes_back_to_the_last_bit(tmp_path):
    SafetensorsCheckpointIO().save_checkpoint(checkpoint(), tmp_path / "step=1")
    assert_same(SafetensorsCheckpointIO().load_checkpoint(tmp_path / "step=1"), checkpoint())
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["step=1", "tensors.safetensors", "tree.json"]


def test_what_a_killed_run_left_half_written_is_replaced(tmp_path):
    partial = tmp_path / ".step=1.partial"
    partial.mkdir()
    (partial / "tensors.safetensors").write_bytes(b"half")
    SafetensorsCheckpointIO().save_checkpoint(checkpoint(), tmp_path / "step=1")
    assert [path.name for path in tmp_path.iterdir()] == ["step=1"]


def test_an_object_that_json_cannot_say_is_refused(tmp_path):
    with pytest.raises(TypeError, match="got Generator"):
        SafetensorsCheckpointIO().save_checkpoint({"rng": torch.Generator()}, tmp_path / "step=1")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_nothing_half_and_the_earlier_checkpoint_whole(tmp_path, monkeypatch):
    SafetensorsCheckpointIO().save_checkpoint(checkpoint(), tmp_path / "step=1")

    def no_space(tensors, path):
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoint_io, "save_file", no_space)
    with pytest.raises(OSError, match="No space left"):
        SafetensorsCheckpointIO().save_checkpoint(checkpoint(), tmp_path / "step=2")
    assert [path.name for path in tmp_path.iterdir()] == ["step=1"]
    assert_same(SafetensorsCheckpointIO().load_checkpoint(tmp_path / "step=1"), checkpoint())


@pytest.mark.parametrize("name", ["tensors.safetensors", "tree.json"])
def test_a_damaged_checkpoint_is_named(tmp_path, name):
    SafetensorsCheckpointIO().save_checkpoint(checkpoint(), tmp_path / "step=1")
    (tmp_path / "step=1" / name).write_bytes(b"damaged")
    with pytest.raises(ValueError, match="step=1 cannot be read.*remove that folder and run again"):
        SafetensorsCheckpointIO().load_checkpoint(tmp_path / "step=1")
