"""Whole batches cut from memory-mapped arrays: no per-row access, no collate, no worker processes.

Shape letters: B batch, F fields, M dense columns, U distinct creatives of the batch.
"""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from stages.models.encoded_arrays import EncodedSplit
from stages.models.epoch_rows import EpochRows

FILLED_TO = 32  # creatives


class Batch(NamedTuple):
    cat_idx_BF: Tensor  # int32, as on disk; adding the fields' offsets makes it int64
    num_feats_BM: Tensor  # float32
    label_B: Tensor  # uint8
    distinct_U: Tensor | None  # int64, the batch's creatives, each once, 0 (no image) first and as filling; None in validation
    creative_pos_B: Tensor | None  # int64, row of `distinct_U`, or of all creatives where that is None
    weight_B: Tensor | None = None  # float64, what each row weighs; None: 1


def distinct_creatives(creative_idx_B: np.ndarray, num_creatives: int) -> tuple[np.ndarray, np.ndarray]:
    """The creatives in a batch, each once, ascending, 0 always first; and where in that list each row's stands."""
    is_used = np.zeros(num_creatives + 1, dtype=bool)
    is_used[creative_idx_B] = True
    is_used[0] = True
    distinct_U = np.flatnonzero(is_used)
    position = np.empty(num_creatives + 1, dtype=np.int64)
    position[distinct_U] = np.arange(len(distinct_U))
    return distinct_U, position[creative_idx_B]


def filled_up(distinct_U: np.ndarray, num_creatives: int) -> np.ndarray:
    """`distinct_U` with zeros behind it to the next multiple of FILLED_TO, or to all creatives.

    For every number of images that is new to it, oneDNN compiles its convolutions, 14 ms for each number.
    """
    return np.pad(distinct_U, (0, filled_length(len(distinct_U), num_creatives) - len(distinct_U)))


def filled_length(num_distinct: int, num_creatives: int) -> int:
    """How many `filled_up` makes of `num_distinct`."""
    return min(-(-num_distinct // FILLED_TO) * FILLED_TO, num_creatives + 1)


def steps_per_epoch(num_rows: int, batch_size: int, num_ranks: int) -> int:
    """Batches of an epoch; a last one with too few rows for every rank is left out."""
    full, rest = divmod(num_rows, batch_size)
    return full + (rest >= num_ranks)


class TrainBatches:
    """The shuffled batches of one rank. Where the next one stands follows from `num_steps_done()` alone,

    so a run that resumes at step s gets exactly the batches that the killed run would have got from there.
    The rows of step s are the same for any number of ranks that divides them; each rank takes an equal part, and what is left
    over is not trained on.
    """

    def __init__(
        self,
        split: EncodedSplit,
        *,
        num_creatives: int,
        batch_size: int,
        seed: int,
        rank: int,
        num_ranks: int,
        num_steps_done: Callable[[], int],
        rows: EpochRows | None = None,
    ) -> None:
        """`rows` are those of each epoch; all of `split` if left out."""
        if batch_size < num_ranks:
            raise ValueError(f"train.batch_size must be at least the number of devices, {num_ranks}, got {batch_size}")
        self.rows = EpochRows(num_all=len(split), seed=seed) if rows is None else rows
        if len(self.rows) < num_ranks:
            raise ValueError(f"split train must have a row for each of {num_ranks} devices, got {len(self.rows)}; use fewer")
        self.split, self.num_creatives, self.batch_size = split, num_creatives, batch_size
        self.rank, self.num_ranks, self.num_steps_done = rank, num_ranks, num_steps_done

    def __len__(self) -> int:
        return steps_per_epoch(len(self.rows), self.batch_size, self.num_ranks)

    def __iter__(self) -> Iterator[Batch]:
        epoch, first = divmod(self.num_steps_done(), len(self))  # runs when the first batch is asked for, not before
        row_N = self.rows.of(epoch)
        for number in range(first, len(self)):
            yield self.batch(row_N[self.own_part(number)])

    def own_part(self, number: int) -> slice:
        """Where in the order of an epoch this rank's rows of its step `number` stand."""
        start = number * self.batch_size
        num_local = (min(start + self.batch_size, len(self.rows)) - start) // self.num_ranks
        return slice(start + self.rank * num_local, start + (self.rank + 1) * num_local)

    def batch(self, row_B: np.ndarray) -> Batch:
        """The batch of rows `row_B`."""
        distinct_U = creative_pos_B = None
        if self.split.creative_idx_N is not None:
            distinct, position = distinct_creatives(np.take(self.split.creative_idx_N, row_B), self.num_creatives)
            distinct_U = torch.from_numpy(filled_up(distinct, self.num_creatives))
            creative_pos_B = torch.from_numpy(position)
        return Batch(
            cat_idx_BF=torch.from_numpy(np.take(self.split.cat_idx_NF, row_B, axis=0)),
            num_feats_BM=torch.from_numpy(np.take(self.split.num_feats_NM, row_B, axis=0)),
            label_B=torch.from_numpy(np.take(self.split.label_N, row_B, axis=0)),
            distinct_U=distinct_U,
            creative_pos_B=creative_pos_B,
            weight_B=None if self.split.weight_N is None else torch.from_numpy(np.take(self.split.weight_N, row_B, axis=0)),
        )


class ValBatches:
    """One rank's consecutive part of a split, in order."""

    def __init__(self, split: EncodedSplit, *, batch_size: int, rank: int, num_ranks: int) -> None:
        if len(split) < num_ranks:
            raise ValueError(f"split val must have a row for each of {num_ranks} devices, got {len(split)}; use fewer")
        self.split, self.batch_size = split, batch_size
        bounds = np.linspace(0, len(split), num_ranks + 1).astype(np.int64)
        self.start, self.stop = int(bounds[rank]), int(bounds[rank + 1])

    def __len__(self) -> int:
        return math.ceil((self.stop - self.start) / self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        for start in range(self.start, self.stop, self.batch_size):
            rows = slice(start, min(start + self.batch_size, self.stop))
            idx_N = self.split.creative_idx_N
            yield Batch(
                cat_idx_BF=torch.from_numpy(self.split.cat_idx_NF[rows].copy()),
                num_feats_BM=torch.from_numpy(self.split.num_feats_NM[rows].copy()),
                label_B=torch.from_numpy(self.split.label_N[rows].copy()),
                distinct_U=None,
                creative_pos_B=None if idx_N is None else torch.from_numpy(idx_N[rows].astype(np.int64)),
                weight_B=None if self.split.weight_N is None else torch.from_numpy(self.split.weight_N[rows].copy()),
            )
