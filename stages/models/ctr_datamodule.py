"""Hands the Lightning trainer the batches of its rank."""

from pytorch_lightning import LightningDataModule

from stages.models.batches import TrainBatches, ValBatches
from stages.models.encoded_arrays import EncodedSplit
from stages.models.prefetch import Batches, PrefetchedBatches


class CtrDataModule(LightningDataModule):
    def __init__(
        self,
        train: EncodedSplit,
        val: EncodedSplit,
        *,
        num_creatives: int,
        batch_size: int,
        seed: int,
        prefetch_batches: int,
        pin_memory: bool,
    ) -> None:
        super().__init__()
        self.train, self.val = train, val
        self.num_creatives, self.batch_size, self.seed = num_creatives, batch_size, seed
        self.prefetch_batches, self.pin_memory = prefetch_batches, pin_memory

    def train_dataloader(self) -> Batches:
        batches = TrainBatches(
            self.train,
            num_creatives=self.num_creatives,
            batch_size=self.batch_size,
            seed=self.seed,
            rank=self.trainer.global_rank,
            num_ranks=self.trainer.world_size,
            num_steps_done=lambda: self.trainer.global_step,
        )
        return self._prefetched(batches)

    def val_dataloader(self) -> Batches:
        trainer = self.trainer
        batches = ValBatches(self.val, batch_size=self.batch_size, rank=trainer.global_rank, num_ranks=trainer.world_size)
        return self._prefetched(batches)

    def _prefetched(self, batches: Batches) -> Batches:
        if self.prefetch_batches == 0:
            return batches
        return PrefetchedBatches(batches, num_ahead=self.prefetch_batches, pin_memory=self.pin_memory)
