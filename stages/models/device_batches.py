"""The batches of `batches.py`, the same rows in the same order, cut on the device that trains: its memory holds the arrays.

A GPU takes rows faster than a thread cuts and copies them. The order of an epoch comes from the CPU, so that it is the same
there. Shape letters: B batch, N rows, R rows of several steps, S steps, U distinct creatives of the batch.
"""

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stages.models.batches import Batch, TrainBatches, ValBatches, filled_length
from stages.models.encoded_arrays import EncodedSplit
from stages.models.epoch_rows import EpochRows

COPY_ROWS = 1 << 20  # rows copied to the device together
LOOK_ROWS = 1 << 24  # rows whose creatives are counted together
ORDER_BYTES, LOOK_BYTES = 16, 64  # a row: of this epoch's order and the next one's, and of what counting takes


@dataclass(frozen=True, kw_only=True)
class DeviceArrays:
    """The arrays of an EncodedSplit as tensors of one device."""

    cat_idx_NF: Tensor
    num_feats_NM: Tensor
    creative_idx_N: Tensor | None
    label_N: Tensor
    weight_N: Tensor | None = None

    @classmethod
    def copied(cls, split: EncodedSplit, device: torch.device) -> "DeviceArrays":
        return cls(**{name: None if array is None else _copied(array, device) for name, array in vars(split).items()})


def _copied(array: np.ndarray, device: torch.device) -> Tensor:
    """`array` on `device`; no more than COPY_ROWS rows of it are copied in this machine's memory."""
    held = torch.empty(array.shape, dtype=torch.from_numpy(np.empty(0, array.dtype)).dtype, device=device)
    for start in range(0, len(array), COPY_ROWS):
        rows = slice(start, start + COPY_ROWS)
        held[rows] = torch.from_numpy(np.array(array[rows]))
    return held


def fits(train: EncodedSplit, val: EncodedSplit, device: torch.device, memory_frac: float) -> bool:
    """Whether both splits, and what cutting them takes, need at most `memory_frac` of what is free on `device`."""
    return memory_frac > 0 and needed_bytes(train, val) <= memory_frac * free_bytes(device)


def needed_bytes(train: EncodedSplit, val: EncodedSplit) -> int:
    arrays = [array for split in (train, val) for array in vars(split).values() if array is not None]
    return sum(array.nbytes for array in arrays) + ORDER_BYTES * len(train) + LOOK_BYTES * min(len(train), LOOK_ROWS)


def free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")


class EpochOrders:
    """The orders of one epoch after the other, on a device; a thread makes the next one while the last is in use."""

    def __init__(self, rows: EpochRows, num_epochs: int, device: torch.device) -> None:
        """`num_epochs` are all there may be: no order is made for one behind the last."""
        self.rows, self.num_epochs, self.device = rows, num_epochs, device
        self._maker = ThreadPoolExecutor(1, thread_name_prefix="order")
        self._prepare(0)

    def of(self, epoch: int) -> Tensor:
        """The rows of `epoch`, int64 [N]."""
        if self._epoch != epoch:
            self._prepare(epoch)
        row_N = self._order.result()
        if epoch + 1 < self.num_epochs:
            self._prepare(epoch + 1)
        return row_N

    def _prepare(self, epoch: int) -> None:
        self._epoch = epoch
        self._order: Future[Tensor] = self._maker.submit(self._make, epoch)

    def _make(self, epoch: int) -> Tensor:
        return torch.from_numpy(self.rows.of(epoch)).to(self.device)


class DeviceTrainBatches(TrainBatches):
    """The batches of TrainBatches on a device. Nothing waits for the device but, once in LOOK_ROWS rows, a count: how many
    creatives a batch has is a tensor's length, which is known before the batch is cut.
    """

    def __init__(self, split: EncodedSplit, arrays: DeviceArrays, orders: EpochOrders, **which: Any) -> None:
        """`arrays` and `orders` are those of `split` on the device; `which` is what TrainBatches takes besides."""
        super().__init__(split, rows=orders.rows, **which)
        self.arrays, self.orders, self.device = arrays, orders, orders.device

    def __iter__(self) -> Iterator[Batch]:
        epoch, first = divmod(self.num_steps_done(), len(self))
        row_N = self.orders.of(epoch)
        at_once = max(LOOK_ROWS // self.batch_size, 1)
        for start in range(first, len(self), at_once):
            parts = [row_N[self.own_part(number)] for number in range(start, min(start + at_once, len(self)))]
            for row_B, num_distinct in zip(parts, self.count_distinct(parts), strict=True):
                yield self.cut(row_B, num_distinct)

    def count_distinct(self, parts: list[Tensor]) -> list[int | None]:
        """How many creatives each of some batches has, 0 always counted; None for data without creatives."""
        if self.arrays.creative_idx_N is None:
            return [None] * len(parts)
        num_ids, step_S = self.num_creatives + 1, torch.arange(len(parts), device=self.device)
        rows_S = torch.tensor([len(row_B) for row_B in parts], device=self.device)
        step_R = torch.repeat_interleave(step_S, rows_S)
        key_R = step_R * num_ids + self.arrays.creative_idx_N.index_select(0, torch.cat(parts))
        distinct = torch.cat([key_R, step_S * num_ids]).unique()  # ascending
        ends_S = torch.searchsorted(distinct, (step_S + 1) * num_ids)
        return np.diff(ends_S.cpu().numpy(), prepend=0).tolist()

    def cut(self, row_B: Tensor, num_distinct: int | None) -> Batch:
        """The batch of rows `row_B`, which has `num_distinct` creatives."""
        distinct_U = creative_pos_B = None
        if num_distinct is not None:
            distinct_U, creative_pos_B = self.creatives(self.arrays.creative_idx_N.index_select(0, row_B), num_distinct)
        return Batch(
            cat_idx_BF=self.arrays.cat_idx_NF.index_select(0, row_B),
            num_feats_BM=self.arrays.num_feats_NM.index_select(0, row_B),
            label_B=self.arrays.label_N.index_select(0, row_B),
            distinct_U=distinct_U,
            creative_pos_B=creative_pos_B,
            weight_B=None if self.arrays.weight_N is None else self.arrays.weight_N.index_select(0, row_B),
        )

    def creatives(self, creative_idx_B: Tensor, num_distinct: int) -> tuple[Tensor, Tensor]:
        """What `distinct_creatives` and `filled_up` give, int64 both."""
        is_used = torch.zeros(self.num_creatives + 1, dtype=torch.bool, device=self.device)
        is_used.index_fill_(0, creative_idx_B.long(), True)
        is_used[0] = True
        number = is_used.cumsum(0)  # how many creatives are used up to here
        place_U = torch.arange(1, filled_length(num_distinct, self.num_creatives) + 1, device=self.device)
        distinct_U = torch.searchsorted(number, place_U)  # the first creative with that number
        distinct_U = distinct_U.masked_fill(place_U > num_distinct, 0)
        return distinct_U, number.index_select(0, creative_idx_B) - 1


class DeviceValBatches(ValBatches):
    """The batches of ValBatches on a device: parts of its arrays, not copied."""

    def __init__(self, split: EncodedSplit, arrays: DeviceArrays, **which: Any) -> None:
        """`arrays` are those of `split`; `which` is what ValBatches takes besides."""
        super().__init__(split, **which)
        self.arrays = arrays

    def __iter__(self) -> Iterator[Batch]:
        for start in range(self.start, self.stop, self.batch_size):
            rows = slice(start, min(start + self.batch_size, self.stop))
            idx_N = self.arrays.creative_idx_N
            yield Batch(
                cat_idx_BF=self.arrays.cat_idx_NF[rows],
                num_feats_BM=self.arrays.num_feats_NM[rows],
                label_B=self.arrays.label_N[rows],
                distinct_U=None,
                creative_pos_B=None if idx_N is None else idx_N[rows].long(),
                weight_B=None if self.arrays.weight_N is None else self.arrays.weight_N[rows],
            )
