"""Slicing, shuffling, sharding and resuming of batches."""

import numpy as np
import pytest
import torch

from stages.models.batches import TrainBatches, ValBatches
from stages.models.encoded_arrays import EncodedSplit
from stages.models.epoch_rows import shuffled_rows
from stages.models.prefetch import PrefetchedBatches


def split(num_rows: int) -> EncodedSplit:
    """Row i holds i in every column, so that a batch tells which rows it has."""
    row_N = np.arange(num_rows)
    return EncodedSplit(
        cat_idx_NF=np.stack([row_N, row_N], axis=1).astype(np.int32),
        num_feats_NM=row_N[:, None].astype(np.float32),
        creative_idx_N=(row_N % 5).astype(np.int32),
        label_N=(row_N % 2).astype(np.uint8),
    )


def batches(num_rows: int = 23, batch_size: int = 5, seed: int = 3, rank: int = 0, num_ranks: int = 1, done: int = 0):
    return TrainBatches(
        split(num_rows),
        num_creatives=4,
        batch_size=batch_size,
        seed=seed,
        rank=rank,
        num_ranks=num_ranks,
        num_steps_done=lambda: done,
    )


def rows(batch) -> list[int]:
    return batch.cat_idx_BF[:, 0].tolist()


def test_shuffle_is_a_permutation_that_depends_on_seed_and_epoch():
    assert sorted(shuffled_rows(50, 0, 0).tolist()) == list(range(50))
    assert shuffled_rows(50, 0, 0).tolist() == shuffled_rows(50, 0, 0).tolist()
    orders = {tuple(shuffled_rows(50, seed, epoch).tolist()) for seed in (0, 1, 2) for epoch in (0, 1, 2)}
    assert len(orders) == 9


def test_an_epoch_holds_each_row_once_and_its_columns_together():
    epoch = list(batches())
    assert [len(batch.label_B) for batch in epoch] == [5, 5, 5, 5, 3] and len(batches()) == 5
    assert sorted(row for batch in epoch for row in rows(batch)) == list(range(23))
    for batch in epoch:
        assert batch.num_feats_BM[:, 0].tolist() == rows(batch)
        assert batch.label_B.tolist() == [row % 2 for row in rows(batch)]
        assert batch.distinct_U[batch.creative_pos_B].tolist() == [row % 5 for row in rows(batch)]


def test_resuming_at_a_step_gives_the_batches_that_were_left():
    whole = [rows(batch) for batch in batches(done=5)]  # epoch 1 from its start
    assert [rows(batch) for batch in batches(done=8)] == whole[3:]
    assert whole != [rows(batch) for batch in batches(done=0)]


def test_place_is_asked_for_when_the_first_batch_is_taken():
    done = 0
    source = TrainBatches(split(23), num_creatives=4, batch_size=5, seed=3, rank=0, num_ranks=1, num_steps_done=lambda: done)
    iterator = iter(source)
    done = 2
    assert rows(next(iterator)) == rows(list(batches())[2])


@pytest.mark.parametrize("num_rows", [23, 25, 21])
def test_ranks_get_equal_parts_of_the_same_steps(num_rows):
    alone = [rows(batch) for batch in batches(num_rows)]
    ranks = [[rows(batch) for batch in batches(num_rows, rank=rank, num_ranks=2)] for rank in (0, 1)]
    assert len(ranks[0]) == len(ranks[1])
    for step, (first, second) in enumerate(zip(*ranks, strict=True)):
        assert len(first) == len(second) and set(first) | set(second) <= set(alone[step])
        assert not set(first) & set(second)


def test_val_batches_of_all_ranks_cover_the_split_in_order():
    seen = []
    for rank in range(3):
        part = ValBatches(split(23), batch_size=4, rank=rank, num_ranks=3)
        assert len(part) == len(list(part))
        seen += [row for batch in part for row in rows(batch)]
    assert seen == list(range(23))


@pytest.mark.parametrize("num_ahead", [1, 3])
def test_prefetched_batches_are_the_same_batches(num_ahead):
    got = list(PrefetchedBatches(batches(), num_ahead=num_ahead, pin_memory=False))
    for batch, expected in zip(got, batches(), strict=True):
        assert batch.weight_B is None and expected.weight_B is None
        assert all(torch.equal(one, other) for one, other in zip(batch[:-1], expected[:-1], strict=True))


def test_prefetching_stops_when_nobody_reads_on():
    iterator = iter(PrefetchedBatches(batches(), num_ahead=1, pin_memory=False))
    next(iterator)
    iterator.close()  # returns only when the thread has ended


def test_an_error_while_prefetching_reaches_the_reader():
    class Broken:
        def __len__(self):
            return 1

        def __iter__(self):
            raise OSError("disk gone")
            yield

    with pytest.raises(OSError, match="disk gone"):
        list(PrefetchedBatches(Broken(), num_ahead=2, pin_memory=False))


def test_batch_smaller_than_the_number_of_devices_is_refused():
    with pytest.raises(ValueError, match="train.batch_size must be at least the number of devices, 2, got 1"):
        batches(batch_size=1, num_ranks=2)


def test_split_with_fewer_rows_than_devices_is_refused():
    with pytest.raises(ValueError, match="a row for each of 2 devices, got 1"):
        batches(num_rows=1, num_ranks=2)
    with pytest.raises(ValueError, match="split val must have a row for each of 2 devices, got 1"):
        ValBatches(split(1), batch_size=4, rank=0, num_ranks=2)
