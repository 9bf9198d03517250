"""Hands the Lightning trainer the batches of its rank: cut on its device where the arrays fit there, else here."""

from typing import Any

from pytorch_lightning import LightningDataModule

from stages.models.batches import TrainBatches, ValBatches
from stages.models.device_batches import DeviceArrays, DeviceTrainBatches, DeviceValBatches, EpochOrders, fits
from stages.models.encoded_arrays import EncodedSplit
from stages.models.epoch_rows import EpochRows
from stages.models.prefetch import Batches, PrefetchedBatches


class CtrDataModule(LightningDataModule):
    def __init__(
        self,
        train: EncodedSplit,
        val: EncodedSplit,
        *,
        num_creatives: int,
        batch_size: int,
        rows: EpochRows,
        device_memory_frac: float,
        prefetch_batches: int,
        pin_memory: bool,
    ) -> None:
        """`rows` are those of each epoch. `device_memory_frac` of the device's free memory is what the arrays may take; if they
        need more, or it is 0, batches are cut here and `prefetch_batches` of them prepared ahead.
        """
        super().__init__()
        self.train, self.val = train, val
        self.num_creatives, self.batch_size, self.rows = num_creatives, batch_size, rows
        self.device_memory_frac = device_memory_frac
        self.prefetch_batches, self.pin_memory = prefetch_batches, pin_memory
        self.on_device: tuple[EpochOrders, DeviceArrays, DeviceArrays] | None = (
            None  # train's order, train and val, where they fit
        )

    def setup(self, stage: str) -> None:
        device = self.trainer.strategy.root_device
        if fits(self.train, self.val, device, self.device_memory_frac):
            # the first one is made while the arrays are copied
            orders = EpochOrders(self.rows, self.trainer.max_epochs, device)
            self.on_device = orders, DeviceArrays.copied(self.train, device), DeviceArrays.copied(self.val, device)

    def teardown(self, stage: str) -> None:
        self.on_device = None

    def train_dataloader(self) -> Batches:
        which = self._ranks() | {
            "num_creatives": self.num_creatives,
            "seed": self.rows.seed,
            "num_steps_done": lambda: self.trainer.global_step,
        }
        if self.on_device is not None:
            orders, arrays, _ = self.on_device
            return DeviceTrainBatches(self.train, arrays, orders, **which)
        return self._prefetched(TrainBatches(self.train, rows=self.rows, **which))

    def val_dataloader(self) -> Batches:
        if self.on_device is not None:
            return DeviceValBatches(self.val, self.on_device[2], **self._ranks())
        return self._prefetched(ValBatches(self.val, **self._ranks()))

    def _ranks(self) -> dict[str, Any]:
        return {"batch_size": self.batch_size, "rank": self.trainer.global_rank, "num_ranks": self.trainer.world_size}

    def _prefetched(self, batches: Batches) -> Batches:
        if self.prefetch_batches == 0:
            return batches
        return PrefetchedBatches(batches, num_ahead=self.prefetch_batches, pin_memory=self.pin_memory)
