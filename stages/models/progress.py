"""What a person sees while a network trains, and how fast it went. All of it goes to stderr."""

import sys
import time
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import TQDMProgressBar
from pytorch_lightning.callbacks.progress.tqdm_progress import Tqdm

from stages.models.batches import Batch
from stages.models.ctr_module import CtrModule
from stages.models.curves import CurveWriter

REFRESH_STEPS = 10


class TrainBar(TQDMProgressBar):
    """Lightning's bar on stderr, with the loss of the last point of the curve."""

    def __init__(self, curves: CurveWriter) -> None:
        super().__init__(refresh_rate=REFRESH_STEPS)
        self.curves = curves

    def init_train_tqdm(self) -> Tqdm:
        return self._bar(self.train_description, position=self.process_position * 2, leave=True)

    def init_validation_tqdm(self) -> Tqdm:
        return self._bar(self.validation_description, position=self.process_position * 2 + 1, leave=False)

    def _bar(self, description: str, *, position: int, leave: bool) -> Tqdm:
        return Tqdm(
            desc=description,
            position=position,
            leave=leave,
            disable=self.is_disabled,
            dynamic_ncols=True,
            file=sys.stderr,
            smoothing=0,
        )

    def get_metrics(self, trainer: Trainer, module: LightningModule) -> dict[str, Any]:
        metrics = super().get_metrics(trainer, module)
        metrics.pop("v_num", None)
        if self.curves.last_loss is not None:
            metrics["train/loss"] = f"{self.curves.last_loss:.4f}"
        return metrics


class EpochLines(Callback):
    """One line an epoch, for logs and other places where a bar cannot move."""

    def on_validation_end(self, trainer: Trainer, module: CtrModule) -> None:
        if trainer.is_global_zero:
            metrics = ", ".join(f"{name} {value:.5f}" for name, value in module.val_metrics.items())
            epoch = f"epoch {trainer.current_epoch + 1} of at most {trainer.max_epochs}"
            print(f"train: {epoch}, step {trainer.global_step}: {metrics}", file=sys.stderr)


class Stopwatch(Callback):
    """Counts the rows trained on and the time from the first batch of an epoch to its last; validation is left out."""

    def __init__(self) -> None:
        self.train_s = 0.0
        self.num_rows = 0
        self._since_s = 0.0

    def on_train_epoch_start(self, trainer: Trainer, module: LightningModule) -> None:
        self._since_s = time.perf_counter()

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        self._since_s = time.perf_counter()

    def on_train_batch_end(self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Batch, batch_idx: int) -> None:
        self.num_rows += len(batch.label_B) * trainer.world_size
        if batch_idx + 1 == trainer.num_training_batches:
            if module.device.type == "cuda":
                torch.cuda.synchronize(module.device)  # steps are only queued there
            self.train_s += time.perf_counter() - self._since_s

    @property
    def rows_per_s(self) -> float:
        return self.num_rows / self.train_s if self.train_s > 0 else 0.0
