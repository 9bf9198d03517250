"""Training curves: train/loss every few steps, val/log_loss and val/auc every epoch.

The points travel in the checkpoint and are written anew on resuming, so a killed run leaves no gap and no double point.
"""

import math
from typing import Any, Protocol, cast

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.strategies import Strategy
from torch import Tensor

from stages.models.ctr_module import CtrModule, diverged


class CurveLog(Protocol):
    """The logger that a training with a CurveWriter needs."""

    def log_metrics(self, metrics: dict[str, float], step: int, sync: bool) -> None:
        """Note `metrics` at `step`; with `sync` all that was noted has to be in its files afterwards."""


class CurveWriter(Callback):
    """Averages the loss over `every_steps` steps and logs it; logs the validation metrics after each epoch."""

    def __init__(self, every_steps: int) -> None:
        self.every_steps = every_steps
        self.points: list[tuple[int, dict[str, float]]] = []
        self.loss_sum: Tensor | None = None  # stays on the device: asking for its value every step would wait for it
        self.num_losses = 0
        self.last_loss: float | None = None  # for the progress bar
        self._strategy: Strategy | None = None

    def on_fit_start(self, trainer: Trainer, module: LightningModule) -> None:
        # not on_train_start: that is left out when the checkpoint is of the last step and only outputs are to be written
        for step, values in self.points:
            cast(CurveLog, trainer.logger).log_metrics(values, step=step, sync=False)
        if self.loss_sum is not None:
            self.loss_sum = self.loss_sum.to(module.device)
        self._strategy = trainer.strategy

    def on_train_batch_end(
        self, trainer: Trainer, module: CtrModule, outputs: dict[str, Tensor], batch: Any, batch_idx: int
    ) -> None:
        loss = outputs.get("shown", outputs["loss"]).detach()
        self.loss_sum = loss.clone() if self.loss_sum is None else self.loss_sum + loss
        self.num_losses += 1
        if trainer.global_step % self.every_steps == 0:
            self._log_mean_loss(trainer)

    def on_validation_end(self, trainer: Trainer, module: CtrModule) -> None:
        if self.num_losses > 0:
            self._log_mean_loss(trainer)
        self._log(trainer, {name: value for name, value in module.val_metrics.items() if math.isfinite(value)})

    def _log_mean_loss(self, trainer: Trainer) -> None:
        mean = trainer.strategy.reduce(self.loss_sum / self.num_losses, reduce_op="mean")
        self.last_loss = float(mean)
        self.loss_sum, self.num_losses = None, 0
        if not math.isfinite(self.last_loss):
            raise ValueError(diverged("train/loss", self.last_loss, trainer.global_step))
        self._log(trainer, {"train/loss": self.last_loss})

    def _log(self, trainer: Trainer, values: dict[str, float]) -> None:
        self.points.append((trainer.global_step, values))
        cast(CurveLog, trainer.logger).log_metrics(values, step=trainer.global_step, sync=True)

    def state_dict(self) -> dict[str, Any]:
        """Called by all processes together; the first one's is written, so from here on all go on with the same sum."""
        if self.loss_sum is not None:
            self.loss_sum = self._strategy.reduce(self.loss_sum, reduce_op="mean")
        loss_sum = None if self.loss_sum is None else torch.clone(self.loss_sum)
        return {"points": self.points, "loss_sum": loss_sum, "num_losses": self.num_losses}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.points, self.loss_sum = list(state_dict["points"]), state_dict["loss_sum"]
        self.num_losses = state_dict["num_losses"]
