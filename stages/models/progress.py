"""What a person sees while a network trains, and how fast it went. It goes to stderr, and as lines to a log file."""

import sys
import time
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import TQDMProgressBar
from pytorch_lightning.callbacks.progress.tqdm_progress import Tqdm

from stages.models.batches import Batch
from stages.models.ctr_module import CtrModule
from stages.models.curves import CurveWriter

REFRESH_STEPS = 10
LINE_EVERY_S = 10.0  # between two lines where no bar can move


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


class ProgressLines(Callback):
    """Lines for logs and other places where a bar cannot move: step, rows/s and time left every so often, metrics every epoch.

    They go to the file at `log_path`, which a resumed training goes on with, and to stderr if `on_stderr`.
    """

    def __init__(self, curves: CurveWriter, log_path: Path | None, *, resumed: bool, on_stderr: bool) -> None:
        self.curves = curves
        self._paths = [] if log_path is None else [log_path]
        self._resumed, self._on_stderr = resumed, on_stderr
        self._started_s = self._last_s = 0.0
        self._first_step = self._num_rows = 0

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        if trainer.is_global_zero and not self._resumed:
            for path in self._paths:
                path.unlink(missing_ok=True)
        self._started_s = self._last_s = time.monotonic()
        self._first_step = trainer.global_step

    def on_train_batch_end(self, trainer: Trainer, module: CtrModule, outputs: Any, batch: Batch, batch_idx: int) -> None:
        self._num_rows += len(batch.label_B) * trainer.world_size
        now_s = time.monotonic()
        if now_s - self._last_s < LINE_EVERY_S:
            return
        rows_per_s, per_step_s = self._num_rows / (now_s - self._last_s), self._per_step_s(trainer, now_s)
        left_s = per_step_s * (module.num_steps - trainer.global_step)
        loss = "" if self.curves.last_loss is None else f", train/loss {self.curves.last_loss:.4f}"
        at = f"step {trainer.global_step:,} of at most {module.num_steps:,}"
        self._say(trainer, f"{at}, {rows_per_s:,.0f} rows/s, at most {shown_time(left_s)} left{loss}")
        self._last_s, self._num_rows = now_s, 0

    def on_validation_end(self, trainer: Trainer, module: CtrModule) -> None:
        metrics = ", ".join(f"{name} {value:.5f}" for name, value in module.val_metrics.items())
        epoch = f"epoch {trainer.current_epoch + 1} of at most {trainer.max_epochs}"
        took = shown_time(time.monotonic() - self._started_s)
        self._say(trainer, f"{epoch}, step {trainer.global_step:,}, after {took}: {metrics}")

    def _per_step_s(self, trainer: Trainer, now_s: float) -> float:
        """Seconds a step takes, of this process's steps so far; validations are part of it."""
        return (now_s - self._started_s) / max(trainer.global_step - self._first_step, 1)

    def _say(self, trainer: Trainer, line: str) -> None:
        if not trainer.is_global_zero:
            return
        for path in self._paths:
            with path.open("a", encoding="utf-8") as log:
                log.write(f"{line}\n")
        if self._on_stderr:
            print(f"train: {line}", file=sys.stderr, flush=True)


def shown_time(duration_s: float) -> str:
    """`59 s`, `12 min 05 s`, `3 h 10 min`."""
    minutes, seconds = divmod(round(duration_s), 60)
    if not minutes:
        return f"{seconds} s"
    return f"{minutes} min {seconds:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


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
