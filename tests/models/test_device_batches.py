"""Batches cut on the device that trains are those cut on the CPU: same rows, same order, same types.

Needs few packages, so that `make gpu-check` can run it.
"""

import warnings

import numpy as np
import pytest
import torch

from stages.models import device_batches
from stages.models.batches import TrainBatches, ValBatches
from stages.models.device_batches import DeviceArrays, DeviceTrainBatches, DeviceValBatches, EpochOrders, fits, needed_bytes
from stages.models.encoded_arrays import EncodedSplit
from stages.models.epoch_rows import EpochRows, shuffled_rows

CREATIVES = 90
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]


def split(num_rows: int, *, has_creatives: bool = True, num_dense: int = 2) -> EncodedSplit:
    """Random rows; few creatives have most of them, and some have none."""
    rng = np.random.default_rng(num_rows)
    return EncodedSplit(
        cat_idx_NF=rng.integers(0, 1000, (num_rows, 3)).astype(np.int32),
        num_feats_NM=rng.normal(size=(num_rows, num_dense)).astype(np.float32),
        creative_idx_N=(CREATIVES * rng.random(num_rows) ** 3).astype(np.int32) if has_creatives else None,
        label_N=rng.integers(0, 2, num_rows).astype(np.uint8),
    )


def pairs(rows: EncodedSplit, device: str, *, batch_size: int = 50, rank: int = 0, num_ranks: int = 1, done: int = 0) -> list:
    """Each batch of the rest of an epoch as it is cut on `device` and as it is cut here."""
    which = {"batch_size": batch_size, "rank": rank, "num_ranks": num_ranks}
    which |= {"num_creatives": CREATIVES, "seed": 3, "num_steps_done": lambda: done}
    there = torch.device(device)
    orders = EpochOrders(EpochRows(num_all=len(rows), seed=3), 2, there)
    on_device = DeviceTrainBatches(rows, DeviceArrays.copied(rows, there), orders, **which)
    here = TrainBatches(rows, **which)
    assert len(on_device) == len(here)
    return list(zip(on_device, here, strict=True))


def assert_equal_batches(batches: list, device: str) -> None:
    assert batches
    for cut, expected in batches:
        for part, wanted in zip(cut, expected, strict=True):
            assert (part is None) == (wanted is None)
            if part is not None:
                assert part.device.type == device and part.dtype == wanted.dtype and torch.equal(part.cpu(), wanted)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("num_rows", [449, 450, 451, 7])
def test_an_epoch_has_the_same_batches(device, num_rows):
    assert_equal_batches(pairs(split(num_rows), device), device)


@pytest.mark.parametrize("device", DEVICES)
def test_batches_differ_in_how_many_creatives_they_have(device):
    lengths = {len(cut.distinct_U) for cut, _ in pairs(split(2000), device, batch_size=60)}
    assert lengths <= {32, 64, CREATIVES + 1} and len(lengths) > 1  # or nothing was tested


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("rank", "num_ranks"), [(0, 2), (1, 2), (2, 3)])
def test_every_rank_gets_its_part(device, rank, num_ranks):
    assert_equal_batches(pairs(split(451), device, rank=rank, num_ranks=num_ranks), device)


@pytest.mark.parametrize("device", DEVICES)
def test_a_resumed_training_gets_the_batches_that_were_left(device):
    rest = pairs(split(451), device, done=10 + 7)  # an epoch has ten
    assert len(rest) == 3
    assert_equal_batches(rest, device)


@pytest.mark.parametrize("device", DEVICES)
def test_creatives_are_counted_block_by_block(device, monkeypatch):
    monkeypatch.setattr(device_batches, "LOOK_ROWS", 120)  # two batches of fifty
    assert_equal_batches(pairs(split(451), device, done=1), device)


@pytest.mark.parametrize("device", DEVICES)
def test_data_without_creatives_or_numbers_has_none_on_the_device(device):
    batches = pairs(split(120, has_creatives=False, num_dense=0), device)
    assert batches[0][0].distinct_U is None and batches[0][0].num_feats_BM.shape == (50, 0)
    assert_equal_batches(batches, device)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("has_creatives", [True, False])
def test_validation_has_the_same_batches(device, has_creatives):
    rows = split(451, has_creatives=has_creatives)
    which = {"batch_size": 50, "rank": 1, "num_ranks": 2}
    on_device = DeviceValBatches(rows, DeviceArrays.copied(rows, torch.device(device)), **which)
    assert_equal_batches(list(zip(on_device, ValBatches(rows, **which), strict=True)), device)


def test_arrays_are_copied_in_pieces_from_files_that_must_not_be_written(tmp_path, monkeypatch):
    monkeypatch.setattr(device_batches, "COPY_ROWS", 100)
    rows, mapped = split(451), {}
    for name, array in ((name, array) for name, array in vars(rows).items() if array is not None):
        np.save(tmp_path / f"{name}.npy", array)
        mapped[name] = np.load(tmp_path / f"{name}.npy", mmap_mode="r")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # torch warns of tensors that share memory which must not be written
        copied = DeviceArrays.copied(EncodedSplit(**mapped), torch.device("cpu"))
    assert copied.weight_N is None and len(mapped) == 4
    for name in mapped:
        assert np.array_equal(getattr(copied, name).numpy(), getattr(rows, name))


def test_orders_are_those_of_their_epochs_in_whatever_turn_they_are_asked_for():
    orders = EpochOrders(EpochRows(num_all=40, seed=3), num_epochs=3, device=torch.device("cpu"))
    for epoch in (0, 1, 2, 2, 7, 1, 2):
        assert orders.of(epoch).tolist() == shuffled_rows(40, 3, epoch).tolist()


def test_arrays_fit_while_they_need_at_most_the_share_of_free_memory(monkeypatch):
    train, val, device = split(100), split(40), torch.device("cpu")
    assert needed_bytes(train, val) == 140 * (3 * 4 + 2 * 4 + 4 + 1) + 100 * (16 + 64)
    monkeypatch.setattr(device_batches, "free_bytes", lambda _: 2 * needed_bytes(train, val))
    assert fits(train, val, device, 0.5) and not fits(train, val, device, 0.499) and not fits(train, val, device, 0)


def test_free_memory_of_this_machine_is_known():
    assert device_batches.free_bytes(torch.device("cpu")) > 0


@pytest.mark.gpu
def test_free_memory_of_the_gpu_is_known():
    assert 0 < device_batches.free_bytes(torch.device("cuda")) <= torch.cuda.get_device_properties(0).total_memory
