"""Which rows an epoch takes where a share of those without a click is trained on, and what the loss of these rows is."""

import math

import numpy as np
import pytest
import torch

from stages.models.batches import Batch, TrainBatches
from stages.models.ctr_module import CtrModule, loss_among_all
from stages.models.device_batches import DeviceArrays, DeviceTrainBatches, EpochOrders
from stages.models.encoded_arrays import EncodedSplit
from stages.models.epoch_rows import epoch_rows, shuffled_rows
from stages.models.network import build_network
from tests.models.encoded_world import World, model_config, spec_of, train_config

CLICKS, OTHERS = 20, 180


def split() -> EncodedSplit:
    """Every tenth row is clicked."""
    row_N = np.arange(CLICKS + OTHERS)
    return EncodedSplit(
        cat_idx_NF=row_N[:, None].astype(np.int32),
        num_feats_NM=row_N[:, None].astype(np.float32),
        creative_idx_N=None,
        label_N=(row_N % 10 == 0).astype(np.uint8),
    )


def test_all_rows_are_taken_in_the_order_that_they_always_had():
    rows = epoch_rows(split(), 1.0, seed=3)
    assert len(rows) == 200 and rows.kept_share == 1 and rows.logit_shift == 0
    assert rows.of(2).tolist() == shuffled_rows(200, 3, 2).tolist()


def test_an_epoch_has_every_click_once_and_the_share_of_the_others():
    rows, label_N = epoch_rows(split(), 0.3, seed=3), split().label_N
    for epoch in range(5):
        taken = rows.of(epoch)
        assert len(taken) == len(rows) == CLICKS + 54 == len(set(taken.tolist()))
        assert label_N[taken].sum() == CLICKS
        assert taken.tolist() == epoch_rows(split(), 0.3, seed=3).of(epoch).tolist()
    assert rows.of(0).tolist() != rows.of(1).tolist() and rows.of(0).tolist() != epoch_rows(split(), 0.3, seed=4).of(0).tolist()


def test_no_row_comes_twice_before_all_came():
    rows = epoch_rows(split(), 0.25, seed=3)
    others = [row for epoch in range(4) for row in rows.of(epoch).tolist() if row % 10]
    assert sorted(others) == [row for row in range(200) if row % 10]
    assert {row for row in rows.of(4).tolist() if row % 10} == {row for row in rows.of(0).tolist() if row % 10}


def test_the_shift_is_that_of_the_share_that_was_really_kept():
    rows = epoch_rows(split(), 0.2512, seed=3)
    assert rows.num_others == 45 and rows.kept_share == 0.25 and rows.logit_shift == math.log(0.25)


def test_a_share_without_a_row_is_refused():
    with pytest.raises(ValueError, match="keep_negatives = 0.001 leaves none of the 180 training rows without a click; set"):
        epoch_rows(split(), 0.001, seed=3)


def which(rows, rank, done):
    return {"num_creatives": 0, "batch_size": 16, "rank": rank, "num_ranks": 2, "num_steps_done": lambda: done, "seed": rows.seed}


@pytest.mark.parametrize("rank", [0, 1])
def test_batches_on_a_device_are_those_cut_here_and_a_resumed_epoch_goes_on(rank):
    rows, device = epoch_rows(split(), 0.3, seed=3), torch.device("cpu")
    here = list(TrainBatches(split(), rows=rows, **which(rows, rank, 0)))
    arrays, orders = DeviceArrays.copied(split(), device), EpochOrders(rows, 2, device)
    there = list(DeviceTrainBatches(split(), arrays, orders, **which(rows, rank, 0)))
    resumed = list(TrainBatches(split(), rows=rows, **which(rows, rank, 3)))
    assert len(here) == len(there) == 5 and len(resumed) == 2
    for one, other in zip(here + here[3:], there + resumed, strict=True):
        assert torch.equal(one.cat_idx_BF, other.cat_idx_BF) and torch.equal(one.label_B, other.label_B)


def test_the_loss_is_that_of_the_drawn_rows_and_the_one_shown_is_that_of_all():
    rows = epoch_rows(split(), 0.25, seed=3)
    spec = spec_of(World(num_ids=(200,), num_dense=1, num_creatives=0))
    network = build_network(model_config("logistic"), spec)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        network.ranker.first_order.bias.fill_(-2.0)
    module = CtrModule(network, train_config(), None, 10, torch.zeros(200), rows)
    taken = rows.of(0)
    label_B = torch.from_numpy(split().label_N[taken])
    batch = Batch(torch.from_numpy(split().cat_idx_NF[taken]), torch.zeros(len(taken), 1), label_B, None, None)
    found = module.training_step(batch, 0)
    drawn, everyone = (1 / (1 + math.exp(2.0 - shift)) for shift in (math.log(4), 0.0))
    expected = -(CLICKS * math.log(drawn) + 45 * math.log(1 - drawn)) / 65
    assert found["loss"].item() == pytest.approx(expected, rel=1e-6)
    expected = -(CLICKS * math.log(everyone) + OTHERS * math.log(1 - everyone)) / 200
    assert float(found["shown"]) == pytest.approx(expected, rel=1e-6)
    assert float(loss_among_all(torch.full((65,), -2.0), label_B.float(), rows)) == pytest.approx(expected, rel=1e-6)
