"""Which loader trains: on the device where the arrays fit, else here, prepared ahead where that is asked for."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from stages.models import device_batches
from stages.models.batches import TrainBatches, ValBatches
from stages.models.ctr_datamodule import CtrDataModule
from stages.models.device_batches import DeviceTrainBatches, DeviceValBatches
from stages.models.encoded_arrays import EncodedSplit
from stages.models.epoch_rows import EpochRows
from stages.models.prefetch import PrefetchedBatches


def split(num_rows: int) -> EncodedSplit:
    ids = np.arange(num_rows, dtype=np.int32)
    return EncodedSplit(
        cat_idx_NF=ids[:, None],
        num_feats_NM=ids[:, None].astype(np.float32),
        creative_idx_N=ids % 5,
        label_N=(ids % 2).astype(np.uint8),
    )


def datamodule(**changes: Any) -> CtrDataModule:
    settings = {"num_creatives": 4, "batch_size": 8, "rows": EpochRows(num_all=30, seed=3)}
    settings |= {"device_memory_frac": 0.5, "prefetch_batches": 0}
    made = CtrDataModule(split(30), split(20), pin_memory=False, **settings | changes)
    strategy = SimpleNamespace(root_device=torch.device("cpu"))
    made.trainer = SimpleNamespace(strategy=strategy, global_rank=0, world_size=1, global_step=0, max_epochs=1)
    made.setup("fit")
    return made


def loaders(made: CtrDataModule) -> tuple[type, type]:
    return type(made.train_dataloader()), type(made.val_dataloader())


def test_arrays_that_fit_are_kept_on_the_device_and_let_go_at_the_end():
    made = datamodule(prefetch_batches=2)
    assert loaders(made) == (DeviceTrainBatches, DeviceValBatches)
    made.teardown("fit")
    assert made.on_device is None


def test_a_share_of_nothing_cuts_batches_here():
    assert loaders(datamodule(device_memory_frac=0.0)) == (TrainBatches, ValBatches)


@pytest.mark.parametrize(("prefetch_batches", "expected"), [(2, PrefetchedBatches), (0, TrainBatches)])
def test_arrays_that_do_not_fit_are_cut_here(monkeypatch, prefetch_batches, expected):
    monkeypatch.setattr(device_batches, "free_bytes", lambda _: 1000)
    assert type(datamodule(prefetch_batches=prefetch_batches).train_dataloader()) is expected


def test_batches_are_the_same_either_way():
    batches = zip(datamodule().train_dataloader(), datamodule(device_memory_frac=0.0).train_dataloader(), strict=True)
    assert all(torch.equal(one, other) for left, right in batches for one, other in zip(left[:-1], right[:-1], strict=True))
